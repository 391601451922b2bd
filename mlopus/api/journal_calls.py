"""Calls that concern the journal, checked and made into requests; see `mlopus.api.calls`."""

from __future__ import annotations

from mlopus.api.calls import Call
from mlopus.api.core import ApiCore
from mlopus.api.references import require
from mlopus.errors import MlopusError
from mlopus.plans.requests import DropQueued
from mlopus.result import Result, Success


def drop(_: ApiCore, entry: int) -> Result[Call, MlopusError]:
    """`drop`."""
    require(int, entry, "an entry of the journal is named by its number")
    return Success(Call(request=DropQueued(entry_id=entry)))
