"""The README's reference of what each verb asks, read as rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

README: Final = Path(__file__).parents[1] / "README.md"
HEADING: Final = "## Reference: what each verb asks\n"
_TERM = re.compile(r"(?P<number>\d+)(?: for each (?P<thing>.+))?")


@attrs.frozen
class Row:
    """One row: these verbs, in this case, ask for these paths so many times."""

    verbs: tuple[str, ...]
    case: str
    asks: frozenset[str]
    requests: str

    def count(self, times: Mapping[str, int]) -> int:
        """How many requests the row says, where there are so many of each thing that it counts by.

        Raises:
            ValueError: It counts by something that is not among them, or says no number.
        """
        terms = [(term, _TERM.fullmatch(term)) for term in self.requests.split(" + ")]
        unread = [
            term for term, match in terms if match is None or (match["thing"] or "") not in {"", *times}
        ]
        if unread:
            raise ValueError(f"{' and '.join(unread)} cannot be counted by {sorted(times)}")
        return sum(
            int(match["number"]) * (times[match["thing"]] if match["thing"] else 1)
            for _, match in terms
            if match is not None
        )


def rows() -> tuple[Row, ...]:
    """The rows of all tables of the reference, in their order."""
    section = README.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return tuple(_row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines)


def _row(verbs: str, asks: str, requests: str) -> Row:
    names, _, case = verbs.partition("`, ")
    return Row(_quoted(f"{names}`"), case, frozenset(_quoted(asks)), requests)


def _quoted(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", text))
