"""Laws of queries and sortings that hold for every document."""

import copy
import pickle
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mlopus.domain.frozen import freeze
from mlopus.errors import InvalidQuery
from mlopus.query import find, parse, parse_sorting
from mlopus.query.sorting import document_key
from mlopus.query.values import order_key
from mlopus.result import Failure, Success
from mlopus.testing import strategies_query as mongo

documents = st.lists(mongo.documents(), max_size=5)


def found(query: dict[str, Any], among: list[dict[str, Any]]) -> list[bool]:
    matches = parse(query).unwrap().matches
    return [matches(document) for document in among]


@given(query=mongo.queries(), among=documents)
def test_nor_is_the_opposite(query: dict[str, Any], among: list[dict[str, Any]]) -> None:
    assert found({"$nor": [query]}, among) == [not answer for answer in found(query, among)]


@given(path=mongo.paths, condition=mongo.operators(), among=documents)
def test_not_is_the_opposite(path: str, condition: dict[str, Any], among: list[dict[str, Any]]) -> None:
    assert found({path: {"$not": condition}}, among) == [
        not answer for answer in found({path: condition}, among)
    ]


@given(first=mongo.queries(), second=mongo.queries(), among=documents)
def test_or_is_what_not_both_fail(
    first: dict[str, Any], second: dict[str, Any], among: list[dict[str, Any]]
) -> None:
    neither = {"$and": [{"$nor": [first]}, {"$nor": [second]}]}

    assert found({"$or": [first, second]}, among) == found({"$nor": [neither]}, among)


@given(path=mongo.paths, members=st.lists(mongo.values(max_leaves=4), max_size=3), among=documents)
def test_in_is_equality_with_one_of_the_members(
    path: str, members: list[Any], among: list[dict[str, Any]]
) -> None:
    each = [{path: {"$eq": member}} for member in members]

    assert found({path: {"$in": members}}, among) == [
        any(found(query, [document]) == [True] for query in each) for document in among
    ]


@given(query=mongo.queries(), among=documents)
def test_a_frozen_document_is_found_as_the_plain_one(
    query: dict[str, Any], among: list[dict[str, Any]]
) -> None:
    assert found(query, [freeze(document) for document in among]) == found(query, among)


@given(query=mongo.queries(), among=documents)
def test_a_frozen_query_finds_the_same(query: dict[str, Any], among: list[dict[str, Any]]) -> None:
    frozen = freeze(query)

    assert parse(frozen) == parse(query)
    assert found(frozen, among) == found(query, among)


@given(query=mongo.queries(), among=documents)
def test_a_pickled_query_finds_the_same(query: dict[str, Any], among: list[dict[str, Any]]) -> None:
    parsed = parse(query).unwrap()
    again = pickle.loads(pickle.dumps(parsed))  # noqa: S301 (our own bytes)

    assert again == parsed
    assert [again.matches(document) for document in among] == found(query, among)


@given(query=mongo.queries(), among=documents, sorting=mongo.sortings)
def test_finding_changes_neither_query_nor_documents(
    query: dict[str, Any], among: list[dict[str, Any]], sorting: list[tuple[str, int]]
) -> None:
    before = repr((query, among, sorting))

    find(among, query, sorting).unwrap()

    assert repr((query, among, sorting)) == before


@given(document=mongo.documents(), name=mongo.names)
def test_a_field_equals_its_own_value(document: dict[str, Any], name: str) -> None:
    value = document.get(name)

    assert found({name: {"$eq": value}}, [document, copy.deepcopy(document)]) == [True, True]


@given(first=mongo.values(), second=mongo.values())
def test_values_are_equal_exactly_if_their_keys_are(first: Any, second: Any) -> None:
    expanded = [first, *first] if isinstance(first, list) else [first]

    assert found({"x": {"$eq": second}}, [{"x": first}]) == [
        any(order_key(value) == order_key(second) for value in expanded)
    ]


@given(among=documents, sorting=mongo.sortings)
def test_the_sort_key_of_a_document_orders_as_sorting_does(
    among: list[dict[str, Any]], sorting: list[tuple[str, int]]
) -> None:
    key = document_key(parse_sorting(sorting).unwrap())
    ordered = find(among, sorting=sorting).unwrap()

    assert [id(document) for document in ordered] == [id(document) for document in sorted(among, key=key)]


nested_keys = st.lists(mongo.names, min_size=1, max_size=3).map(".".join)


@given(flat=st.dictionaries(nested_keys, mongo.scalars, min_size=1, max_size=4))
@example({"a": 1, "a.b": 2, "a.b.c": 3})
def test_every_dotted_key_is_found_where_it_stands(flat: dict[str, Any]) -> None:
    below = {"x": flat}

    for key, value in flat.items():
        assert found({key: {"$eq": value}}, [flat]) == [True]
        assert found({f"x.{key}": {"$eq": value}}, [below]) == [True]


foreign = st.one_of(st.binary(max_size=2), st.complex_numbers(), st.datetimes(), st.frozensets(st.integers()))
words = st.one_of(
    st.text(max_size=3),
    st.sampled_from(
        ("$and", "$or", "$not", "$in", "$regex", "$options", "$elemMatch", "$all", "$type", "$mod")
    ),
    st.sampled_from(("$size", "$exists", "$gt", "$ne", "$expr", "a.b", "a..b", "$", ".")),
)
anything = st.recursive(
    st.one_of(mongo.scalars, foreign, words, st.integers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(words, words, st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(query=st.dictionaries(words, anything, max_size=3), document=mongo.documents())
def test_any_mapping_is_a_query_or_an_error_that_says_why(query: dict[str, Any], document: Any) -> None:
    match parse(query):
        case Success(parsed):
            assert parsed.matches(document) in {True, False}
        case Failure(error):
            assert isinstance(error, InvalidQuery)
            assert str(error)
