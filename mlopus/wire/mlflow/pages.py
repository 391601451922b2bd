"""What all searches share: pages of records, and the parts of a request that ask for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from mlopus.domain.records import Record
from mlopus.domain.status import View
from mlopus.plans.search import Page, PageToken
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import WrongShape
from mlopus.wire.mlflow.shapes import elements, members, text

R = TypeVar("R", bound=Record)


@attrs.frozen(kw_only=True)
class PageRequest:
    """Which page of a search: the server's own filter and order, how many rows, and where to go on."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    page_size: int = 1000
    token: PageToken = None


VIEWS: Final[dict[View, str]] = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}


def page_from_reply(reply: object, name: str, read: Callable[[object], R | None]) -> Result[Page, WrongShape]:
    """The records in the array of that name, and the token of the next page."""
    found = members(reply)
    records: list[Record] = []
    for element in elements(found.get(name)):
        record = read(element)
        if record is None:
            return Failure(WrongShape(f"an element of {name!r} names no entity"))
        records.append(record)
    return Success(Page(records=tuple(records), next_token=text(found.get("next_page_token")) or None))


def record_from_reply(reply: object, name: str, read: Callable[[object], R | None]) -> Result[R, WrongShape]:
    """The record under that name."""
    record = read(members(reply).get(name))
    return Failure(WrongShape(f"there is no {name!r} in it")) if record is None else Success(record)
