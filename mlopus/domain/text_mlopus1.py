"""The codec "mlopus-1": texts as mlOpus 1.6.3 wrote and read them.

Written from what that release was observed to do: every value is JSON in ASCII, with each single
quote doubled, and a datetime is a JSON string. It loses what "plain" keeps:

- Reading undoes doubled quotes and parses any JSON, so `it''s`, `0.10`, `1E5`, `-0` and ` 5` are
  written back as other texts; `{"a": 1}` becomes a mapping, whose members get keys of their own.
- A str that looks like a datetime's text reads as a datetime; a datetime in a list reads as a str.

Where mlOpus 1.6.3 raised (integers of more digits than Python converts, very deep nesting, impossible
dates) the text stays text. What it dropped or replaced on writing (empty mappings, texts over 500
characters, types without JSON) is written, or refused by name, as under "plain".
"""

from __future__ import annotations

import json
import re

import attrs

from mlopus.domain.frozen import LIST_LEVELS, Value, freeze, thaw
from mlopus.domain.text import NoText, is_too_deep, read_moment, write_moment
from mlopus.result import Failure, Result, Success

_SURROGATE = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Mlopus1Codec:
    """The codec "mlopus-1"; the rules are in the module's docstring."""

    name: str = "mlopus-1"
    is_exact: bool = False

    def write(self, value: Value) -> Result[str, NoText]:
        """The text of a value.

        Fails with:
            NoText: Too many levels or digits, or a datetime outside of years 1 to 9999.

        Example:
            >>> print(MLOPUS_1.write("it's").unwrap())
            "it''s"
        """
        try:
            text = json.dumps(thaw(value), default=write_moment)
        except (ValueError, OverflowError) as error:
            return Failure(NoText(f"has no text: {error}"))
        if is_too_deep(text):
            return Failure(NoText(f"has no text: it is nested deeper than {LIST_LEVELS} levels"))
        return Success(text.replace("'", "''"))

    def read(self, text: str) -> Value:
        """The value of a text: JSON if it is JSON, else itself.

        Example:
            >>> [MLOPUS_1.read(text) for text in ('"5"', "5", "adam")]
            ['5', 5, 'adam']
        """
        bare = text.replace("''", "'")
        if is_too_deep(bare):
            return bare
        try:
            value: object = json.loads(bare)
        except ValueError:
            return bare
        if "\\u" in bare and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            return bare  # half a pair is no text that can be stored
        return (read_moment(value) or value) if isinstance(value, str) else freeze(value)


MLOPUS_1 = Mlopus1Codec()
