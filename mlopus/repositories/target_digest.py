"""What a target looks like, in one digest: the same for every workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TypeAlias

from mlopus.plans.steps import TargetAbsent, TargetExpectation, TargetPresent

TargetRow: TypeAlias = tuple[str, str, int, int, str | None]
"""Path, kind, size in bytes, modification time in nanoseconds, and what a link says."""


def expectation_of(rows: Iterable[TargetRow]) -> TargetExpectation:
    """What a plan made now expects to find. Folders count by their paths alone.

    Example:
        >>> expectation_of([])
        TargetAbsent()
        >>> expectation_of([("", "file", 3, 1, None)]).file_count
        1
    """
    in_order = sorted(rows)
    if not in_order:
        return TargetAbsent()
    text = json.dumps(in_order, separators=(",", ":"))
    files = sum(1 for row in in_order if row[1] != "folder")
    return TargetPresent(digest=hashlib.sha256(text.encode()).hexdigest(), file_count=files)
