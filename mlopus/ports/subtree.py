"""A part of a tree, read as a tree of its own."""

from __future__ import annotations

from typing import BinaryIO

import attrs

from mlopus.domain.paths import join_path
from mlopus.errors import MlopusError
from mlopus.ports.streams import TreeSource
from mlopus.result import Result


@attrs.frozen
class Subtree:
    """The files at and below a path of another tree."""

    whole: TreeSource
    path: str

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A binary file of the part."""
        return self.whole.open(join_path(self.path, path))

    def local_path(self, path: str) -> str | None:
        """Its path on this disk, if it has one."""
        return self.whole.local_path(join_path(self.path, path))
