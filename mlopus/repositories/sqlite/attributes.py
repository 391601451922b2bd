"""The searchable values of a document as typed rows, in MongoDB's order of classes.

A row is `(path, ord, t, v)`: `t` is the class and `v` a value that SQLite compares as MongoDB would
within that class. One row for each value that a path of names reaches:

- a scalar is one row;
- an object is a row with its size, and the rows of its members;
- an array is a row with its length (`ord` 0), and one for each element, containers by their size;
  what lies inside its elements has no rows.

`MARK` stands for a value that a row cannot carry exactly: an integer beyond 64 bits, a text that is
long or has half of a surrogate pair, a path that two spellings of a key reach. What a search finds
by such rows is looked at again in Python; so is what a path reaches through an array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from mlopus.domain.frozen import Value
from mlopus.domain.scalars import INT64, epoch_ms

SqlValue: TypeAlias = int | float | str
AttributeRow: TypeAlias = tuple[str, int, int, SqlValue]

NULL: Final = 1
NAN: Final = 2
NUMBER: Final = 3
STRING: Final = 4
OBJECT: Final = 5
ARRAY: Final = 6
BOOL: Final = 8
DATE: Final = 9
MARK: Final = 20

LONGEST_TEXT: Final = 200
"""In characters; longer texts are logs and documents, which nobody compares or sorts by."""


def attribute_rows(
    document: Mapping[str, Value], *, mappings: frozenset[str], values: frozenset[str]
) -> list[AttributeRow]:
    """The rows of a document's fields.

    Args:
        document: As `document_of` gives it.
        mappings: Fields whose members have rows; being mappings always, they have none themselves.
        values: Other fields that have rows.
    """
    rows: dict[tuple[str, int], tuple[int, SqlValue]] = {}
    for name, value in document.items():
        if name in mappings and isinstance(value, Mapping):
            for key, member in value.items():
                _add(rows, f"{name}.{key}", member)
        elif name in values:
            _add(rows, name, value)
    return [(path, ord_, t, v) for (path, ord_), (t, v) in rows.items()]


def _add(rows: dict[tuple[str, int], tuple[int, SqlValue]], path: str, value: Value) -> None:
    if (path, 0) in rows:
        rows[path, -1] = (MARK, 0)
    else:
        rows[path, 0] = typed(value)
        if isinstance(value, tuple):
            for position, element in enumerate(value, start=1):
                rows[path, position] = typed(element)
    if isinstance(value, Mapping):
        for key, member in value.items():
            _add(rows, f"{path}.{key}", member)


def typed(value: Value) -> tuple[int, SqlValue]:
    """The class of a value, and the value as SQLite compares it within the class."""
    match value:
        case str():
            return (MARK, 0) if len(value) > LONGEST_TEXT or not is_storable(value) else (STRING, value)
        case bool():
            return BOOL, int(value)
        case float():
            return (NAN, 0) if math.isnan(value) else (NUMBER, value)
        case int():
            return (NUMBER, value) if value in INT64 else (MARK, 0)
        case None:
            return NULL, 0
        case datetime():
            return DATE, epoch_ms(value)
        case tuple():
            return ARRAY, len(value)
        case _:
            return OBJECT, len(value)


def is_storable(text: str) -> bool:
    """Whether a text is Unicode that has a UTF-8 form: half of a surrogate pair has none."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_text(text: str) -> str | bytes:
    """A text as SQLite takes it as a name; equal texts only are equal."""
    return text if is_storable(text) else text.encode("utf-8", "surrogatepass")
