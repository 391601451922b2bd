"""Hypothesis strategies for values, nested mappings, and the keys and texts that a server may hold."""

from __future__ import annotations

import math
from datetime import UTC

from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.frozen import EMPTY, FrozenMap, Value
from mlopus.domain.values import checked_key
from mlopus.result import Success

_MOMENT = "2024-04-01T09:00:00.000000+00:00"

NASTY_NUMBERS = (
    *("0", "-0", "00", "05", "5", " 5", "5 ", "+5", "1_000", "٣", "-", "--1", "1.", ".5", "9" * 4300),
    *("9" * 4301, "0.1", "0.10", "-0.0", "1e5", "1E5", "1e-07", "1e+16", "1e16", "1e400", "-1e400", "1.0"),
)  # fmt: skip
NASTY_WORDS = (
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "null", "None", "none", "true", "True", "false"),
    *("", " ", "it's", "it''s", "a\nb", "\x00", "\x7f", "\u2028", "😀", "é", "b'x'", "s3://bucket/key"),
)  # fmt: skip
NASTY_JSON = (
    *('"', '""', '"5"', '"abc"', '"\\"5\\""', '"\\"\\\\\\"5\\\\\\"\\""', '"null"', '"a', 'a"', '"\\u0035"'),
    *('"\\ud800"', "[]", "[1, 2]", "[1,2]", "[1, ", "[1]]", "[NaN]", "[1e400]", '["5"]', '["\\u00e9"]'),
    *('["é"]', '[{"b": 1, "a": 2}]', '[{"a": 1, "a": 2}]', "[{}]", "{}", "{ }", '{"x": 1}', "{"),
    *("[" * 64 + "]" * 64, "[" * 65 + "]" * 65, "[" * 3000, "[" + "9" * 4301 + "]", '["' + "[" * 100 + '"]'),
    *('["' + "[" * 100, "[object Object]", "[null, true]"),
)  # fmt: skip
NASTY_TIMES = (
    *(_MOMENT, f'"{_MOMENT}"', f'["{_MOMENT}"]', f'["\\"{_MOMENT}\\""]', "2024-04-01"),
    *("2024-04-01T09:00:00Z", "2024-04-01T09:00:00.000000+02:00", "2024-13-01T09:00:00.000000+00:00"),
    *("0001-01-01T00:00:00.000000+00:00", "9999-12-31T24:00:00.000000+00:00"),
    *("2024-04-01T09:00:00,000000+00:00", '"2024-13-01T09:00:00.000000+00:00"', '"2024-04-01"'),
)  # fmt: skip
NASTY_TEXTS = NASTY_NUMBERS + NASTY_WORDS + NASTY_JSON + NASTY_TIMES

NASTY_KEYS = (
    *("a", "a.b", "a.b.c", "a.c", "a..b", "a.", ".a", ".a.b", "a b", "a/b", "a/b.c", "a:b", "a-b"),
    *("é.ü", "0", ".a..", "mlflow", "mlflow.x", "mlflow.x.y", "mlflowx", "mlflow..x", "Mlflow.x", "x" * 250),
    *(".".join("a" * 125), "a" + "." * 249, "a" + "." * 200 + "b"),
)  # fmt: skip

_LARGEST_FLOAT = 1.7976931348623157e308
_names: st.SearchStrategy[str] = st.sampled_from(("a", "b", "c d", "é", "x/y", "0", "mlflow"))


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal in type too: 1, 1.0 and True differ, 0.0 and -0.0 too; NaN is NaN."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, immutabledict) and isinstance(other, immutabledict):
        return one.keys() == other.keys() and all(same(member, other[key]) for key, member in one.items())
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or repr(one) == repr(other)
    return type(one) is type(other) and one == other


def texts() -> st.SearchStrategy[str]:
    """Texts that a server may hold; many look like other values, or nearly so."""
    pieces = st.sampled_from(
        ('"', "\\", "[", "]", "{", "}", ", ", ": ", "1", "0", ".", "e", "-", "T", "a", "é")
    )
    return st.one_of(
        st.sampled_from(NASTY_TEXTS),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.lists(pieces, max_size=12).map("".join),
    )


def keys() -> st.SearchStrategy[str]:
    """Flat keys that a server may hold, many of them with parents that are keys too."""
    components = st.sampled_from(("a", "b", "", "a b", "mlflow", "é", "1"))
    dotted = st.lists(components, min_size=1, max_size=5).map(".".join)
    loose = st.text(st.sampled_from("ab_.-/: 1é"), min_size=1, max_size=12)
    return st.one_of(st.sampled_from(NASTY_KEYS), dotted, loose).filter(
        lambda key: isinstance(checked_key("key", key), Success)
    )


def flat_texts() -> st.SearchStrategy[dict[str, str]]:
    """What a server may hold as the params or tags of a run."""
    return st.dictionaries(keys(), texts(), max_size=12)


def leaves() -> st.SearchStrategy[Value]:
    """Values without members: floats of every kind, integers of many digits, datetimes in UTC."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from((10**4299, -(10**4299), 2**53 + 1)),
        st.floats(),
        texts(),
        st.datetimes(timezones=st.just(UTC)),
    )


def values() -> st.SearchStrategy[Value]:
    """Leaves, tuples of leaves, tuples and mappings, and the empty mapping: what has a text of its own."""
    members: st.SearchStrategy[Value] = st.recursive(leaves(), _containers, max_leaves=8)
    return st.one_of(leaves(), st.lists(members, max_size=4).map(tuple), st.just(EMPTY))


def nested_values() -> st.SearchStrategy[FrozenMap[str, Value]]:
    """Nested mappings without dots in their keys."""
    return _mappings(st.recursive(values(), lambda inner: _mappings(inner, min_size=1), max_leaves=8))


def nested_metrics() -> st.SearchStrategy[FrozenMap[str, Value]]:
    """Nested mappings of floats, without the two that stand for the infinities on a server."""
    numbers: st.SearchStrategy[Value] = st.floats().filter(lambda number: abs(number) != _LARGEST_FLOAT)
    return _mappings(st.recursive(numbers, lambda inner: _mappings(inner, min_size=1), max_leaves=8))


def _mappings(
    members: st.SearchStrategy[Value], *, min_size: int = 0
) -> st.SearchStrategy[FrozenMap[str, Value]]:
    return st.dictionaries(_names, members, min_size=min_size, max_size=4).map(immutabledict)


def _containers(members: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    mappings = st.dictionaries(texts(), members, max_size=3).map(immutabledict)
    return st.one_of(st.lists(members, max_size=3).map(tuple), mappings)
