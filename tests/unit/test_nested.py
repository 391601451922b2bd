"""Flat keys to nested mappings and back, by example."""

from __future__ import annotations

import pickle

import pytest

from mlopus.domain.frozen import freeze, thaw
from mlopus.domain.nested import flatten, nest
from mlopus.errors import InvalidValue
from mlopus.testing.strategies import NASTY_KEYS

FLAT_AND_NESTED = [
    ({}, {}),
    ({"a": 1}, {"a": 1}),
    ({"a.b": 1, "a.c": 2}, {"a": {"b": 1, "c": 2}}),
    ({"a.b.c": 1, "d": 2}, {"a": {"b": {"c": 1}}, "d": 2}),
    ({"a": 1, "a.b": 2}, {"a": 1, "a.b": 2}),
    ({"a.b": 2, "a": 1}, {"a": 1, "a.b": 2}),
    ({"a": 1, "a.b.c": 2}, {"a": 1, "a.b.c": 2}),
    ({"a": 1, "a.b": 2, "a.b.c": 3}, {"a": 1, "a.b": 2, "a.b.c": 3}),
    ({"x.a": 1, "x.a.b": 2}, {"x": {"a": 1, "a.b": 2}}),
    ({"x.y.a": 1, "x.y.a.b": 2, "x.z": 3}, {"x": {"y": {"a": 1, "a.b": 2}, "z": 3}}),
    ({"a": {}, "a.b": 1}, {"a": {}, "a.b": 1}),
    ({"a.b": {}}, {"a": {"b": {}}}),
    ({"a..b": 1}, {"a": {"": {"b": 1}}}),
    ({".a": 1}, {"": {"a": 1}}),
    ({"a.": 1}, {"a": {"": 1}}),
    ({"a.": 1, "a": 2}, {"a": 2, "a.": 1}),
    ({"": 1, ".a": 2}, {"": 1, ".a": 2}),
    ({"...": 1}, {"": {"": {"": {"": 1}}}}),
    ({"mlflow.x.y": 1}, {"mlflow": {"x": {"y": 1}}}),
]


@pytest.mark.parametrize(("flat", "nested"), FLAT_AND_NESTED)
def test_flat_keys_nest_at_their_dots(flat, nested):
    assert nest(freeze(flat)) == freeze(nested)


@pytest.mark.parametrize(("flat", "nested"), FLAT_AND_NESTED)
def test_nested_keys_flatten_to_dotted_ones(flat, nested):
    assert flatten(freeze(nested)).unwrap() == freeze(flat)


def test_a_dotted_key_is_shorthand_for_nesting():
    assert flatten(freeze({"a.b": 1, "a": {"c.d": 2}})).unwrap() == {"a.b": 1, "a.c.d": 2}


@pytest.mark.parametrize(
    ("nested", "key"),
    [
        ({"a": {"b": 1}, "a.b": 2}, "a.b"),
        ({"a.b": 2, "a": {"b": 1}}, "a.b"),
        ({"x": {"a": {"b": 1}, "a.b": 1}}, "x.a.b"),
        ({"a": {"b": {}}, "a.b": 1}, "a.b"),
    ],
)
def test_two_ways_to_one_key_are_invalid(nested, key):
    failure = flatten(freeze(nested), kind="param").failure()
    assert isinstance(failure, InvalidValue)
    assert str(failure) == f"param {key!r} is given twice, nested and dotted"


def test_a_leaf_and_keys_below_it_are_two_keys():
    assert flatten(freeze({"a": {"b": {"c": 1}}, "a.b": 2})).unwrap() == {"a.b.c": 1, "a.b": 2}


def test_the_order_of_flat_keys_does_not_change_the_nesting():
    assert nest(dict.fromkeys(reversed(NASTY_KEYS), 1)) == nest(dict.fromkeys(NASTY_KEYS, 1))


def test_a_key_of_dots_only_nests_no_deeper_than_can_be_pickled():
    nested = nest({"." * 250: 1})
    assert pickle.loads(pickle.dumps(nested)) == nested  # noqa: S301  # our own bytes


def test_freezing_and_thawing_keep_the_value():
    plain = {"a": [1, {"b": None}], "c": {}, "d": True}
    assert thaw(freeze(plain)) == plain


@pytest.mark.parametrize("foreign", [b"x", {1, 2}, {1: 2}, [object()]])
def test_freezing_refuses_other_types(foreign):
    with pytest.raises(TypeError):
        freeze(foreign)
