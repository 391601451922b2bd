"""Words and numbers as people read them in plans and reports."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_KIB = 1024


@attrs.frozen
class Row:
    """One line: what is done, to what, how large that is, and why or how."""

    word: str
    name: str
    size: str = ""
    note: str = ""


def human_size(size_bytes: int | None) -> str:
    """A size for people; "?" where a store tells none.

    Example:
        >>> human_size(1023), human_size(1536), human_size(None)
        ('1023 B', '1.5 KiB', '?')
    """
    if size_bytes is None:
        return "?"
    if size_bytes < _KIB:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in _UNITS:
        size /= _KIB
        if round(size, 1) < _KIB:
            return f"{size:.1f} {unit}"
    return f"{size:.1f} {_UNITS[-1]}"


def total_size(sizes: Iterable[int | None]) -> str:
    """The size of files together; "?" if one is not known."""
    known = list(sizes)
    return human_size(None if None in known else sum(size or 0 for size in known))


def count(number: int, thing: str) -> str:
    """A number of things.

    Example:
        >>> count(1, "file"), count(1200, "file")
        ('1 file', '1,200 files')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
