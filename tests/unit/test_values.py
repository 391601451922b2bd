"""What users give becomes values and texts, or a Failure that names the key; by example."""

from __future__ import annotations

import dataclasses
import enum
import math
import pathlib
import types
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import attrs
import numpy as np
import pytest
from immutabledict import immutabledict

from mlopus.domain.frozen import freeze
from mlopus.domain.text import PLAIN
from mlopus.domain.text_mlopus1 import MLOPUS_1
from mlopus.domain.values import (
    TextLimits,
    checked_key,
    decode_metrics,
    decode_params,
    decode_tags,
    encode_metrics,
    encode_texts,
    metric_from_server,
    normalise,
    normalise_metric,
)
from mlopus.errors import InvalidValue, ValueTooLong
from mlopus.result import Failure, Success
from mlopus.testing.strategies import NASTY_KEYS, same
from tests.ids import stable_repr

MOMENT = datetime(2024, 4, 1, 9, tzinfo=UTC)
BYTES = "is of type bytes, which has no text"
GIVEN_TWICE = "is given twice, nested and dotted"


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):  # as some libraries subclass str
    __slots__ = ()


class Count(int):
    __slots__ = ()


@attrs.frozen
class Optimizer:
    name: str = "sgd"
    rates: tuple[float, ...] = (0.1, 0.01)
    _secret: str = "s"  # noqa: S105  # the word matters here, not what it says


@dataclasses.dataclass
class Data:
    path: pathlib.Path = pathlib.Path("/data")
    _cache: object = None


class Model:  # what pydantic's models offer
    def model_dump(self):
        return {"depth": 3, "color": Color.RED}


class NoRoot:  # as pydantic's root models of lists
    def model_dump(self):
        return [1]


class Moment(datetime):
    """As pandas subclasses datetime."""

    nanosecond = 0


class FineMoment(Moment):
    nanosecond = 1


@pytest.mark.parametrize(
    ("given", "value"),
    [
        *((leaf, leaf) for leaf in (None, True, 5, 0.5, -0.0, math.nan, math.inf, "text", "é", MOMENT)),
        (Name("text"), "text"),
        (Count(3), 3),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (date(2024, 4, 1), "2024-04-01"),
        (MOMENT.astimezone(timezone(timedelta(hours=2))), MOMENT),
        (Moment(2024, 4, 1, 9, tzinfo=UTC), MOMENT),
        ([1, [2]], (1, (2,))),
        ((1, "a"), (1, "a")),
        ({3, 1, 2}, (1, 2, 3)),
        (frozenset({"b", "a"}), ("a", "b")),
        ({"k": 1}.keys(), ("k",)),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.array(3), 3),
        ({"a": {"b": [1]}}, freeze({"a": {"b": [1]}})),
        ({}, freeze({})),
        (types.MappingProxyType({"a": 1}), freeze({"a": 1})),
        (immutabledict({Name("a"): 1}), freeze({"a": 1})),
        (Optimizer(), freeze({"name": "sgd", "rates": [0.1, 0.01]})),
        (Data(), freeze({"path": "/data"})),
        (Model(), freeze({"depth": 3, "color": "red"})),
        ([Optimizer()], freeze([{"name": "sgd", "rates": [0.1, 0.01]}])),
    ],
)
def test_a_python_object_becomes_a_value(given, value):
    assert same(normalise(given, kind="param", key="k").unwrap(), value)


def test_a_key_becomes_a_plain_str():
    (key,) = normalise({Name("a"): 1}, kind="param", key="k").unwrap()
    assert type(key) is str


ITSELF: list[object] = []
ITSELF.append(ITSELF)
AROUND: dict[str, object] = {}
AROUND["inner"] = {"outer": [AROUND]}
LOOPS: list[object] = []
for _ in range(200):
    LOOPS = [LOOPS]


@pytest.mark.parametrize(
    ("given", "key", "reason"),
    [
        (datetime(2024, 4, 1), "k", "is a datetime without a time zone"),  # noqa: DTZ001  # naive on purpose
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "k", "outside of the years 1 to 9999"),
        (FineMoment(2024, 4, 1, tzinfo=UTC), "k", "has nanoseconds"),
        (b"bytes", "k", "is of type bytes, which has no text"),
        (time(9), "k", "is of type time, "),
        (timedelta(1), "k", "is of type timedelta, "),
        (Decimal("0.1"), "k", "is of type Decimal, "),
        (uuid.UUID(int=1), "k", "is of type UUID, "),
        (1j, "k", "is of type complex, "),
        (len, "k", "is of type builtin_function_or_method, "),
        (Optimizer, "k", "is the class Optimizer"),
        (Model, "k", "is the class Model"),
        (NoRoot(), "k", "is of type NoRoot, "),
        (object(), "k", "is of type object, "),
        (iter([1]), "k", "is of type list_iterator, "),
        (np.array([1, 2]), "k", "is of type ndarray, "),
        (np.datetime64("2024-04-01"), "k", "is of type datetime64, "),
        (np.datetime64("2024-04-01", "ns"), "k", "is of type datetime64, "),
        (np.longdouble(1), "k", "is of type longdouble, "),
        (types.SimpleNamespace(__fspath__=lambda: b"/a"), "k", "is a path of bytes"),
        ("\ud800", "k", "half of a surrogate pair"),
        ({1, "a"}, "k", "is a set whose members have no order"),
        ({"a": {1: 2}}, "k.a", "has a key that is of type int, not a str: 1"),
        ({"a": {math.nan: 2}}, "k.a", "has a key that is of type float, not a str: nan"),
        ({"a": {"b": [1, {"c": b""}]}}, "k.a.b.c", "is of type bytes, "),
        (ITSELF, "k", "contains itself"),
        (AROUND, "k.inner.outer", "contains itself"),
        (LOOPS, "k", "is nested deeper than 192 levels"),
    ],
    ids=stable_repr,
)
def test_what_has_no_value_is_refused_by_its_key(given, key, reason):
    result = normalise(given, kind="param", key="k")
    assert isinstance(result, Failure)
    assert (result.failure().kind, result.failure().key) == ("param", key)
    assert reason in result.failure().reason


def test_one_object_in_two_places_does_not_contain_itself():
    shared = [1]
    assert normalise([shared, shared], kind="param", key="k") == Success(((1,), (1,)))


@pytest.mark.parametrize(
    ("given", "number"),
    [
        *((3, 3.0), (True, 1.0), (0.5, 0.5), (math.nan, math.nan), (-math.inf, -math.inf)),
        *((Decimal("1.5"), 1.5), (Fraction(1, 2), 0.5), (np.float32(0.5), 0.5), (np.array(2), 2.0)),
    ],
)
def test_a_metric_is_whatever_has_a_float(given, number):
    assert same(normalise_metric(given, "m").unwrap(), number)


@pytest.mark.parametrize(
    "given", ["1", None, [1], 1j, MOMENT, 10**400, float, Decimal("sNaN"), np.array([1, 2])], ids=str
)
def test_a_metric_without_a_float_is_refused_by_its_key(given):
    result = normalise_metric(given, "val.acc")
    assert isinstance(result, Failure)
    assert (result.failure().kind, result.failure().key) == ("metric", "val.acc")


def test_nested_params_become_flat_texts():
    params = {"opt": {"lr": 0.1, "name": "sgd"}, "opt.decay": None, "layers": [64, 32], "none": {}}
    assert encode_texts("param", params, PLAIN).unwrap() == {
        "opt.lr": "0.1",
        "opt.name": "sgd",
        "opt.decay": "null",
        "layers": "[64, 32]",
        "none": "{}",
    }


@pytest.mark.parametrize("given", [Optimizer(), {"name": "sgd", "rates": (0.1, 0.01)}])
def test_an_object_gives_its_fields_as_params(given):
    assert encode_texts("param", given, PLAIN).unwrap() == {"name": "sgd", "rates": "[0.1, 0.01]"}


def test_texts_of_mlflow_are_written_bare_as_tags():
    tags = {"mlflow": {"runName": "5", "x": True}, "mlflowx": "5"}
    assert encode_texts("tag", tags, PLAIN).unwrap() == {
        "mlflow.runName": "5",
        "mlflow.x": "true",
        "mlflowx": '"5"',
    }


def test_params_named_after_mlflow_are_written_as_any_other():
    assert encode_texts("param", {"mlflow.x": "5"}, PLAIN).unwrap() == {"mlflow.x": '"5"'}


def test_texts_of_mlflow_are_read_as_text_in_tags():
    tags = decode_tags({"mlflow.runName": "5", "mlflow": "true", "mlflowx": "5"}, PLAIN)
    assert tags == {"mlflow": "true", "mlflow.runName": "5", "mlflowx": 5}


def test_params_named_after_mlflow_are_read_as_any_other():
    assert decode_params({"mlflow.x": "5"}, PLAIN) == freeze({"mlflow": {"x": 5}})


def test_the_codec_decides_on_the_texts():
    assert encode_texts("param", {"a": "it's"}, MLOPUS_1).unwrap() == {"a": "\"it''s\""}


@pytest.mark.parametrize("codec", [PLAIN, MLOPUS_1])
def test_text_under_mlflow_is_left_alone_by_every_codec(codec):
    assert decode_tags({"mlflow.x": "it''s"}, codec) == freeze({"mlflow": {"x": "it''s"}})


@pytest.mark.parametrize("nested", [5, "text", None, [("a", 1)], Optimizer])
def test_what_has_no_members_raises_type_error(nested):
    with pytest.raises(TypeError, match="params are a mapping"):
        encode_texts("param", nested, PLAIN)


@pytest.mark.parametrize(
    ("nested", "error"),
    [
        ({"a": {"b": b""}}, InvalidValue(kind="tag", key="a.b", reason=BYTES)),
        ({"a": {"b": 1}, "a.b": 2}, InvalidValue(kind="tag", key="a.b", reason=GIVEN_TWICE)),
        ({"": 1}, InvalidValue(kind="tag", key="", reason="is an empty key")),
        ({"a": "x" * 8001}, ValueTooLong(kind="tag", key="a", length=8001, limit=8000)),
        ({"mlflow.x": "x" * 8001}, ValueTooLong(kind="tag", key="mlflow.x", length=8001, limit=8000)),
        ({3: 1}, InvalidValue(kind="tag", key="", reason="has a key that is of type int, not a str: 3")),
    ],
)  # fmt: skip
def test_the_first_thing_wrong_is_named(nested, error):
    failure = encode_texts("tag", nested, PLAIN).failure()
    assert (type(failure), str(failure)) == (type(error), str(error))


def test_a_value_without_text_is_named():
    result = encode_texts("param", {"a": {"b": 10**5000}}, PLAIN)
    assert isinstance(result, Failure)
    assert result.failure().key == "a.b"


@pytest.mark.parametrize(("kind", "limit"), [("param", 6000), ("tag", 8000)])
def test_a_text_of_the_servers_limit_is_taken(kind, limit):
    assert encode_texts(kind, {"a": "x" * limit}, PLAIN).unwrap() == {"a": "x" * limit}


def test_the_text_counts_and_not_the_value():
    limits = TextLimits(param=3)
    assert encode_texts("param", {"a": "55"}, PLAIN, limits) == Failure(
        ValueTooLong(kind="param", key="a", length=4, limit=3)
    )


@pytest.mark.parametrize("key", NASTY_KEYS)
def test_a_key_that_servers_take_is_checked(key):
    assert checked_key("tag", key) == Success(key)


@pytest.mark.parametrize(
    "key",
    [
        *("", "a@b", "a=b", "a%b", "a\nb", "a\n", "a'b", "a\\b", "😀", "\ud800", "x" * 251),
        *("/a", "a/", "a//b", ".", "..", "../a", "./a", "a/..", "a/../b", "a/./b", "..a", "..."),
    ],
)
def test_a_key_that_servers_refuse_is_not_checked(key):
    result = checked_key("tag", key)
    assert isinstance(result, Failure)
    assert result.failure().key == key


def test_nested_metrics_become_flat_floats():
    metrics = {"val": {"acc": np.float32(0.5), "loss": math.inf}, "epochs": 3, "val.ok": True}
    assert encode_metrics(metrics).unwrap() == {
        "val.acc": 0.5,
        "val.loss": math.inf,
        "epochs": 3.0,
        "val.ok": 1.0,
    }


@pytest.mark.parametrize(
    ("nested", "key"),
    [
        ({"a": {"b": "1"}}, "a.b"),
        ({"a": {"b": {}}}, "a.b"),
        ({"a": {"b": 1}, "a.b": 2}, "a.b"),
        ({"a": {"b@": 1}}, "a.b@"),
        ({"a": [1]}, "a"),
        ({"a": {1: 1}}, "a"),
        (AROUND, "inner.outer"),
    ],
    ids=stable_repr,
)
def test_a_metric_that_cannot_be_written_is_named(nested, key):
    result = encode_metrics(nested)
    assert isinstance(result, Failure)
    assert (result.failure().kind, result.failure().key) == ("metric", key)


@pytest.mark.parametrize(
    ("held", "number"),
    [
        (1.7976931348623157e308, math.inf),
        (-1.7976931348623157e308, -math.inf),
        (1.5, 1.5),
        (math.nan, math.nan),
    ],
)
def test_a_server_keeps_infinities_as_the_largest_floats(held, number):
    assert same(metric_from_server(held), number)


def test_metrics_of_a_server_are_nested():
    assert decode_metrics({"val.acc": 0.5, "val": 1.7976931348623157e308}) == {
        "val": math.inf,
        "val.acc": 0.5,
    }
