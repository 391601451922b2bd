"""Numbers and times as stores and queries count them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

INT64: Final = range(-(2**63), 2**63)
"""The integers that databases and queries take."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def epoch_ms(moment: datetime) -> int:
    """Give an aware datetime as whole milliseconds since 1970, rounded down.

    Raises:
        TypeError: It has no time zone.
    """
    if moment.utcoffset() is None:
        raise TypeError("a document may not hold a datetime without a timezone")
    return (moment - _EPOCH) // _MS
