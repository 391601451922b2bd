"""The ways in which a file comes to another place of a disk."""

from __future__ import annotations

from typing import Literal, TypeAlias

LinkKind: TypeAlias = Literal["symlink", "hardlink", "reflink", "copy"]
