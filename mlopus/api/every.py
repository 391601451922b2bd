"""Every row of a search, where all of them are needed at once."""

from __future__ import annotations

from typing import TypeVar

from mlopus.domain.keys import OwnKey, key_of
from mlopus.domain.records import Record
from mlopus.errors import MlopusError
from mlopus.plans.search import PageToken, SearchSpec
from mlopus.ports.tracking import Tracking
from mlopus.result import Failure, Result, Success

R = TypeVar("R", bound=Record)


def every(tracking: Tracking, spec: SearchSpec, kind: type[R]) -> Result[tuple[R, ...], MlopusError]:
    """The rows that a store finds, each once; of a search that it does not evaluate whole, more."""
    found: dict[OwnKey, R] = {}
    token: PageToken = None
    while True:
        page = tracking.find(spec, token)
        if isinstance(page, Failure):
            return page
        for record in page.unwrap().records:
            if isinstance(record, kind):
                found.setdefault(key_of(record), record)
        token = page.unwrap().next_token
        if token is None:
            return Success(tuple(found.values()))
