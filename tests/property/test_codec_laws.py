"""The laws of nesting, codecs and encoding, for any values, keys and texts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.frozen import FrozenMap, Value, freeze, thaw
from mlopus.domain.nested import flatten, nest
from mlopus.domain.text import PLAIN
from mlopus.domain.text_mlopus1 import MLOPUS_1
from mlopus.domain.values import (
    TextLimits,
    decode_metrics,
    decode_params,
    decode_tags,
    encode_metrics,
    encode_texts,
    normalise,
)
from mlopus.testing.strategies import (
    flat_texts,
    keys,
    leaves,
    nested_metrics,
    nested_values,
    same,
    texts,
    values,
)

UNLIMITED = TextLimits(param=10**9, tag=10**9)
ANY_KEYS = st.dictionaries(st.text(st.sampled_from("ab.é"), max_size=8) | keys(), leaves(), max_size=10)


def with_words(value: Value) -> Value:
    """The value with words for the floats that JSON lacks, as "plain" reads them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, tuple):
        return tuple(with_words(member) for member in value)
    if isinstance(value, immutabledict):
        return immutabledict({key: with_words(member) for key, member in value.items()})
    return value


def without_mlflow(nested: FrozenMap[str, Value]) -> FrozenMap[str, Value]:
    """The nested tags whose values are not MLflow's own texts."""
    return immutabledict({key: value for key, value in nested.items() if key != "mlflow"})


@given(values())
def test_plain_reads_what_it_wrote(value):
    assert same(PLAIN.read(PLAIN.write(value).unwrap()), with_words(value))


@given(texts())
def test_plain_writes_back_what_it_read(text):
    assert PLAIN.write(PLAIN.read(text)).unwrap() == text


@given(texts())
def test_mlopus_1_keeps_a_value_from_the_second_reading_on(text):
    once = MLOPUS_1.read(MLOPUS_1.write(MLOPUS_1.read(text)).unwrap())
    assert same(MLOPUS_1.read(MLOPUS_1.write(once).unwrap()), once)


@given(ANY_KEYS)
def test_flattening_undoes_nesting(flat):
    assert same(flatten(nest(flat)).unwrap(), immutabledict(flat))


@given(ANY_KEYS)
def test_nesting_undoes_flattening_of_what_was_nested(flat):
    assert same(nest(flatten(nest(flat)).unwrap()), nest(flat))


@given(nested_values())
def test_nesting_undoes_flattening_of_keys_without_dots(nested):
    assert same(nest(flatten(nested).unwrap()), nested)


@given(ANY_KEYS, st.randoms())
def test_the_order_of_keys_does_not_change_the_nesting(flat, random):
    items = list(flat.items())
    random.shuffle(items)
    assert same(nest(dict(items)), nest(flat))


@given(nested_values())
def test_params_are_read_as_they_were_written(nested):
    held = encode_texts("param", nested, PLAIN, UNLIMITED).unwrap()
    assert same(decode_params(held, PLAIN), with_words(nested))


@given(nested_values())
def test_tags_are_read_as_they_were_written(nested):
    ours = without_mlflow(nested)
    held = encode_texts("tag", ours, PLAIN, UNLIMITED).unwrap()
    assert same(decode_tags(held, PLAIN), with_words(ours))


@given(nested_metrics())
def test_metrics_are_read_as_they_were_written(nested):
    assert same(decode_metrics(encode_metrics(nested).unwrap()), nested)


@given(flat_texts())
def test_params_of_a_server_are_written_back_unchanged(held):
    assert encode_texts("param", decode_params(held, PLAIN), PLAIN, UNLIMITED).unwrap() == held


@given(flat_texts())
def test_tags_of_a_server_are_written_back_unchanged(held):
    assert encode_texts("tag", decode_tags(held, PLAIN), PLAIN, UNLIMITED).unwrap() == held


@given(texts(), st.sampled_from((PLAIN, MLOPUS_1)))
def test_tags_of_mlflow_are_read_as_their_text(text, codec):
    assert decode_tags({"mlflow.x": text}, codec) == freeze({"mlflow": {"x": text}})


@given(values())
def test_a_value_is_normal_already(value):
    assert same(normalise(value, kind="param", key="k").unwrap(), value)


@given(values())
def test_freezing_undoes_thawing(value):
    assert same(freeze(thaw(value)), value)
