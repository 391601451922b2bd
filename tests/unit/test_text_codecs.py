"""Values and their texts, by example."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from mlopus.domain.frozen import LIST_LEVELS, freeze
from mlopus.domain.text import PLAIN, NoText, codec_named
from mlopus.domain.text_mlopus1 import MLOPUS_1
from mlopus.result import Failure
from mlopus.testing.strategies import NASTY_TEXTS, same

DIGITS = 10**4300  # one more digit than Python converts


def lists(levels):
    value = ()
    for _ in range(levels - 1):
        value = (value,)
    return value


def brief(value):
    """A test id: pytest's own would print integers that Python refuses to print."""
    return (
        "a long integer"
        if DIGITS in (value, *(value if isinstance(value, tuple) else ()))
        else repr(value)[:40]
    )


MOMENT = datetime(2024, 4, 1, 9, tzinfo=UTC)
MOMENT_TEXT = "2024-04-01T09:00:00.000000+00:00"

PLAIN_PAIRS = [
    ("adam", "adam"),
    ("", ""),
    ("it's", "it's"),
    ("a\nb", "a\nb"),
    ("True", "True"),
    ("NaN", "NaN"),
    ("0.10", "0.10"),
    ('{"x": 1}', '{"x": 1}'),
    ("[1,2]", "[1,2]"),
    ('"abc"', '"abc"'),
    ("5", '"5"'),
    ("0.1", '"0.1"'),
    ("true", '"true"'),
    ("null", '"null"'),
    ("{}", '"{}"'),
    ("[1, 2]", '"[1, 2]"'),
    ('"5"', '"\\"5\\""'),
    (MOMENT_TEXT, f'"{MOMENT_TEXT}"'),
    (None, "null"),
    (True, "true"),
    (False, "false"),
    (5, "5"),
    (-3, "-3"),
    (10**30, "1" + "0" * 30),
    (0.1, "0.1"),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (1e-07, "1e-07"),
    (1e16, "1e+16"),
    (MOMENT, MOMENT_TEXT),
    (datetime(2024, 4, 1, 9, 0, 0, 1, tzinfo=UTC), "2024-04-01T09:00:00.000001+00:00"),
    ((), "[]"),
    ((1, 0.5, "é", None, True), '[1, 0.5, "é", null, true]'),
    (("5", "true"), '["5", "true"]'),
    (((1,), ()), "[[1], []]"),
    ((MOMENT,), f'["{MOMENT_TEXT}"]'),
    ((MOMENT_TEXT,), f'["\\"{MOMENT_TEXT}\\""]'),
    ((f'"{MOMENT_TEXT}"',), f'["\\"\\\\\\"{MOMENT_TEXT}\\\\\\"\\""]'),
    (freeze([{"b": 1, "a": [MOMENT]}, {}]), f'[{{"b": 1, "a": ["{MOMENT_TEXT}"]}}, {{}}]'),
    (freeze({}), "{}"),
]


@pytest.mark.parametrize(("value", "text"), PLAIN_PAIRS)
def test_plain_writes_the_text(value, text):
    assert PLAIN.write(value).unwrap() == text


@pytest.mark.parametrize(("value", "text"), PLAIN_PAIRS)
def test_plain_reads_the_value(value, text):
    assert same(PLAIN.read(text), value)


@pytest.mark.parametrize(
    "text",
    [
        *("0.10", "05", "-0", "+5", "1E5", "1e5", "1e16", "1e400", " 5", "5 ", "1_000", "٣", "9" * 4301),
        *("True", "None", "NaN", "-Infinity", "[NaN]", "[1e400]", "[1,2]", "[1, 2] ", '["\\u00e9"]'),
        *("[" + "9" * 4301 + "]", '{"x": 1}', "{ }", '[{"a": 1, "a": 2}]', '"abc"', '"\\u0035"'),
        *('"5" ', '["\\ud800"]'),
        *("2024-04-01T09:00:00Z", "2024-13-01T09:00:00.000000+00:00", "2024-04-01T11:00:00.000000+02:00"),
        *("[" * (LIST_LEVELS + 1) + "]" * (LIST_LEVELS + 1), "[" * 100_000),
    ],
    ids=brief,
)  # fmt: skip
def test_plain_keeps_as_text_what_it_would_write_otherwise(text):
    assert same(PLAIN.read(text), text)


@pytest.mark.parametrize("text", NASTY_TEXTS, ids=brief)
def test_plain_writes_every_text_back_unchanged(text):
    assert PLAIN.write(PLAIN.read(text)).unwrap() == text


@pytest.mark.parametrize("text", NASTY_TEXTS, ids=brief)
def test_plain_keeps_every_str_in_a_list(text):
    assert same(PLAIN.read(PLAIN.write((text,)).unwrap()), (text,))


def test_plain_writes_datetimes_in_utc():
    there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert PLAIN.write(there).unwrap() == MOMENT_TEXT


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), ((math.nan,), '["NaN"]')],
)
def test_plain_writes_numbers_that_are_not_finite_as_words(number, text):
    assert PLAIN.write(number).unwrap() == text


def test_plain_writes_a_numpy_float_as_pythons():
    assert PLAIN.write(np.float64(0.1)).unwrap() == "0.1"


def test_brackets_inside_of_strings_are_no_levels():
    value = ("[" * 100, "\\", '"[')
    assert PLAIN.read(PLAIN.write(value).unwrap()) == value


def test_the_deepest_list_with_a_text_keeps_its_levels():
    assert PLAIN.read("[" * LIST_LEVELS + "]" * LIST_LEVELS) == lists(LIST_LEVELS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (freeze({"x": 1}), "keys of their own"),
        (DIGITS, "4300 digits"),
        ((DIGITS,), "4300 digits"),
        (lists(LIST_LEVELS + 1), "64 levels"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "out of range"),
    ],
    ids=brief,
)  # fmt: skip
def test_plain_says_why_a_value_has_no_text(value, reason):
    result = PLAIN.write(value)
    assert isinstance(result, Failure)
    assert reason in result.failure().reason


def test_a_naive_datetime_is_no_value():
    with pytest.raises(TypeError, match="time zone"):
        PLAIN.write(datetime(2024, 4, 1))  # noqa: DTZ001  # naive on purpose


@pytest.mark.parametrize("codec", [PLAIN, MLOPUS_1])
def test_a_codec_is_found_by_its_name(codec):
    assert codec_named(codec.name) == codec


def test_an_unknown_codec_is_named_in_the_error():
    with pytest.raises(ValueError, match="'plain' or 'mlopus-1', not 'yaml'"):
        codec_named("yaml")


WRITTEN_BY_MLOPUS_1 = [  # observed: (what was logged, what the server then held, what reading gave)
    ("text", '"text"', "text"),
    ("5", '"5"', "5"),
    ("", '""', ""),
    ("None", '"None"', "None"),
    ('"5"', '"\\"5\\""', '"5"'),
    ('{"a": 1}', '"{\\"a\\": 1}"', '{"a": 1}'),
    ("é☃", '"\\u00e9\\u2603"', "é☃"),
    ("😀", '"\\ud83d\\ude00"', "😀"),
    ("\u2028\x7f\t", '"\\u2028\\u007f\\t"', "\u2028\x7f\t"),
    ("a\nb", '"a\\nb"', "a\nb"),
    ("it's", "\"it''s\"", "it's"),
    ("a''b", "\"a''''b\"", "a''b"),
    ("'''", "\"''''''\"", "'''"),
    (5, "5", 5),
    (10**30, "1" + "0" * 30, 10**30),
    (1.0, "1.0", 1.0),
    (1e-07, "1e-07", 1e-07),
    (1e16, "1e+16", 1e16),
    (-0.0, "-0.0", -0.0),
    (math.nan, "NaN", math.nan),
    (math.inf, "Infinity", math.inf),
    (-math.inf, "-Infinity", -math.inf),
    (True, "true", True),
    (None, "null", None),
    (MOMENT, f'"{MOMENT_TEXT}"', MOMENT),
    (MOMENT.astimezone(timezone(timedelta(hours=2))), f'"{MOMENT_TEXT}"', MOMENT),
    (MOMENT_TEXT, f'"{MOMENT_TEXT}"', MOMENT),
    ("2024-04-01T09:00:00+00:00", '"2024-04-01T09:00:00+00:00"', "2024-04-01T09:00:00+00:00"),
    ((1, "a", None, True, 0.5), '[1, "a", null, true, 0.5]', (1, "a", None, True, 0.5)),
    ((), "[]", ()),
    (("é",), '["\\u00e9"]', ("é",)),
    ((math.inf,), "[Infinity]", (math.inf,)),
    ((MOMENT,), f'["{MOMENT_TEXT}"]', (MOMENT_TEXT,)),
    (freeze([{"b": 1, "a": 2}]), '[{"b": 1, "a": 2}]', freeze([{"b": 1, "a": 2}])),
    (freeze(["it's", {"o'k": "x'"}]), "[\"it''s\", {\"o''k\": \"x''\"}]", freeze(["it's", {"o'k": "x'"}])),
]  # fmt: skip


@pytest.mark.parametrize(("logged", "held", "_read"), WRITTEN_BY_MLOPUS_1)
def test_mlopus_1_writes_what_the_predecessor_wrote(logged, held, _read):
    assert MLOPUS_1.write(logged).unwrap() == held


READ_BY_MLOPUS_1 = [  # observed: (a text of any client, what the predecessor read)
    *((held, read) for _, held, read in WRITTEN_BY_MLOPUS_1),
    *((text, text) for text in ("hello", "", " ", "it's", "'", "05", "nan", "inf", "True", "None", "[1, ")),
    *((text, text) for text in ('"a', "é", '"x"trail', "1_000", "1.", ".5", "+5", "-NaN", "\xa05", '"a\tb"')),
    (MOMENT_TEXT, MOMENT_TEXT),
    ("it''s", "it's"),
    ("''", "'"),
    ("'''", "''"),
    ("\"it's\"", "it's"),
    ('"é"', "é"),
    ('"abc"', "abc"),
    ('"a\\/b"', "a/b"),
    ('"\\u0000"', "\x00"),
    ("0.10", 0.1),
    ("1E5", 100000.0),
    ("1E400", math.inf),
    ("-0", 0),
    (" 5", 5),
    ("\n5", 5),
    ("5 ", 5),
    ("[1,2]", (1, 2)),
    ("[NaN]", (math.nan,)),
    ("{}", freeze({})),
    ('{"a":1}', freeze({"a": 1})),
    ('{"a.b": 1}', freeze({"a.b": 1})),
    ('{"a": 1, "a": 2}', freeze({"a": 2})),
    (f'{{"a": "{MOMENT_TEXT}"}}', freeze({"a": MOMENT_TEXT})),
    (f' "{MOMENT_TEXT}"', MOMENT),
    ('"2024-04-01T09:00:00Z"', "2024-04-01T09:00:00Z"),
    ('"2024-04-01T09:00:00.000000+02:00"', "2024-04-01T09:00:00.000000+02:00"),
    ('"2024-04-01T09:00:00.000000"', "2024-04-01T09:00:00.000000"),
    ('"2024-04-01"', "2024-04-01"),
]  # fmt: skip


@pytest.mark.parametrize(("held", "read"), READ_BY_MLOPUS_1)
def test_mlopus_1_reads_what_the_predecessor_read(held, read):
    assert same(MLOPUS_1.read(held), read)


@pytest.mark.parametrize(
    ("held", "read"),
    [
        ("9" * 5000, "9" * 5000),
        ("[" * 3000, "[" * 3000),
        ('"\\ud800"', '"\\ud800"'),
        ('"2024-13-01T09:00:00.000000+00:00"', "2024-13-01T09:00:00.000000+00:00"),
    ],
    ids=brief,
)
def test_mlopus_1_reads_as_text_what_the_predecessor_choked_on(held, read):
    assert same(MLOPUS_1.read(held), read)


def test_mlopus_1_says_why_a_value_has_no_text():
    assert MLOPUS_1.write(lists(LIST_LEVELS + 1)) == Failure(
        NoText("has no text: it is nested deeper than 64 levels")
    )
