"""How many requests a file takes on its way to a store or back, as far as that is known without asking."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class InParts:
    """How a store moves large files.

    Attributes:
        part_bytes: A larger file is sent in parts of this size.
        most_parts: The parts of a file that would have more are larger.
        around_parts: Requests that begin and complete what is sent in parts.
        range_bytes: A larger file is fetched in ranges of this size.
    """

    part_bytes: int
    most_parts: int
    around_parts: int
    range_bytes: int

    def part_bytes_of(self, size_bytes: int) -> int:
        """The size of the parts in which a file of that size is sent."""
        return max(self.part_bytes, -(-size_bytes // self.most_parts))


def requests_to_send(parts: InParts | None, size_bytes: int) -> int:
    """Requests that sending a file takes; one where nothing is known of parts.

    Example:
        >>> parts = InParts(part_bytes=8, most_parts=100, around_parts=2, range_bytes=8)
        >>> requests_to_send(parts, 8), requests_to_send(parts, 9), requests_to_send(None, 9)
        (1, 4, 1)
    """
    part_bytes = size_bytes if parts is None else parts.part_bytes_of(size_bytes)
    if parts is None or size_bytes <= part_bytes:
        return 1
    return parts.around_parts + -(-size_bytes // part_bytes)


def requests_to_fetch(parts: InParts | None, size_bytes: int | None) -> int:
    """Requests that fetching a file takes; one where nothing is known of ranges, or of its size.

    Example:
        >>> parts = InParts(part_bytes=8, most_parts=100, around_parts=2, range_bytes=8)
        >>> requests_to_fetch(parts, 0), requests_to_fetch(parts, 9), requests_to_fetch(parts, None)
        (1, 2, 1)
    """
    return 1 if parts is None or not size_bytes else -(-size_bytes // parts.range_bytes)
