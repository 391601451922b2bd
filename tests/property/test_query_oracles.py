"""The predicate against two independent evaluators of MongoDB's language, wherever each is right."""

from typing import Any

import mgqpy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mongomock.filtering import filter_applies

from mlopus.query import parse
from mlopus.testing import strategies_query as mongo

EXAMPLES = 4 * settings.default.max_examples
several_documents = st.lists(mongo.documents(), min_size=3, max_size=5)

# mgqpy knows no $type. It heeds the order of an object's keys, so generated objects are in order.
mgqpy_queries = mongo.queries(without=frozenset({"$type"}))


@settings(max_examples=EXAMPLES)
@given(query=mgqpy_queries, documents=several_documents)
@example({"a.0": None}, [{"a": [{}]}, {"a": []}, {"a": [1]}])
@example({"a.1.b": None}, [{"a": [{"b": 1}, {"b": 2}]}, {"a": [[{"b": 1}]]}])
@example({"a.0.b": 1}, [{"a": [[{"b": 1}]]}, {"a": [{"b": 1}]}, {"a": {"0": [{"b": 1}]}}])
@example({"a": {"$elemMatch": {"0": 1}}}, [{"a": [[[1, 2]]]}, {"a": [[1]]}, {"a": [1]}])
@example({"a": {"$elemMatch": {"$eq": 18}}}, [{"a": [[18]]}, {"a": [18]}])
@example({"a": {"$all": [None]}}, [{}, {"a": []}, {"a": [None]}])
@example({"a": {"$all": []}}, [{}, {"a": []}, {"a": [1]}])
@example({"a": {"$mod": [3, -2]}}, [{"a": -5}, {"a": 1}, {"a": float("inf")}, {"a": 2**63}])
@example({"a": {"$gte": float("nan")}}, [{"a": float("nan")}, {"a": 1.0}, {}])
@example({"a": {"$in": [1, [1]]}}, [{"a": True}, {"a": [[1]]}, {"a": 1.0}])
def test_the_predicate_agrees_with_mgqpy(query: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    ours = parse(query).unwrap()
    theirs = mgqpy.Query(query)

    assert [ours.matches(document) for document in documents] == [
        theirs.test(document) for document in documents
    ]


# mongomock is wrong about $mod, $all, $not, $size, $type null, null below scalars, arrays of arrays, 0 and 1
# against bools, several operators on one path through an array, and $exists: False where one object of
# an array has the field. What remains is the shape of most documents in practice: `o` and `p` hold
# objects, or lists of them, `a` and `b` scalars, or lists of them.
leaf = st.one_of(
    st.none(),
    st.booleans(),
    mongo.numbers.filter(lambda number: number not in {0, 1}),
    mongo.texts,
    mongo.dates,
)
field = st.one_of(leaf, st.lists(leaf, max_size=3))


def shaped(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    members = {
        "a": field,
        "b": field,
        "o": st.one_of(inner, st.lists(inner, min_size=1, max_size=3)),
        "p": inner,
    }
    return st.fixed_dictionaries({}, optional=members)


empty: st.SearchStrategy[dict[str, Any]] = st.builds(dict)
shaped_documents = st.lists(shaped(shaped(shaped(empty))), min_size=3, max_size=5)
leaf_paths = st.tuples(st.sampled_from(("", "o.", "p.", "o.o.", "o.p.", "p.o.")), st.sampled_from("ab")).map(
    "".join
)
object_paths = st.sampled_from(("o", "p.o", "o.o"))
unfit = frozenset({"$type", "$mod", "$all", "$elemMatch", "$not", "$exists", "$size"})
plain = mongo.operators(leaf, without=unfit).filter(lambda operators: len(operators) == 1)
conditions = st.one_of(
    leaf,
    st.lists(leaf, max_size=2),
    plain,
    st.just({"$exists": True}),
    mongo.under("$elemMatch", plain),
    mongo.under("$type", st.sampled_from(("string", "object", "bool", "date", "number"))),
)
fields = st.dictionaries(leaf_paths, conditions, min_size=1, max_size=2)
elements = st.dictionaries(object_paths, mongo.under("$elemMatch", fields), min_size=1, max_size=1)
clauses = st.one_of(fields, fields, elements)
mongomock_queries = st.one_of(clauses, mongo.joined(clauses))


@settings(max_examples=EXAMPLES)
@given(query=mongomock_queries, documents=shaped_documents)
@example({"a": {"$in": ["x", None]}}, [{}, {"a": None}, {"a": [None]}, {"a": "x"}])
@example({"o.a": {"$exists": False}}, [{"o": []}, {"o": [{}]}, {"o": {"a": None}}])
def test_the_predicate_agrees_with_mongomock(query: dict[str, Any], documents: list[dict[str, Any]]) -> None:
    matches = parse(query).unwrap().matches

    assert [matches(document) for document in documents] == [
        filter_applies(query, document) for document in documents
    ]
