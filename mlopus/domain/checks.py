"""What a look at every cached byte came to."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

import attrs

from mlopus.domain.manifest import ArtifactSubject

FileState: TypeAlias = Literal["sound", "damaged", "missing", "added"]
_WRONG: tuple[FileState, ...] = ("damaged", "missing")


@attrs.frozen(kw_only=True)
class CheckedFile:
    """A file of a committed tree, and whether it is what was committed, if it was.

    Attributes:
        path: In its tree; "" is the tree itself, where it is a single file or tells nothing any more.
        size_bytes: As committed; 0 where that is not known. Of one that was added, as it is.
        state: "sound", "damaged" (of another content, size or kind) or "missing"; "added" if it was
            never committed, and somebody put it there.
    """

    path: str
    size_bytes: int
    state: FileState


@attrs.frozen(kw_only=True)
class TreeCheck:
    """A tree, and its files as they were found.

    Attributes:
        tree_key: Its name in the cache.
        files: All that were committed, and all that were added, sorted by path.
        served_as: Whose artifacts it is, and which path of them; none for what nothing serves any more.
    """

    tree_key: str
    files: tuple[CheckedFile, ...]
    served_as: tuple[tuple[ArtifactSubject, str], ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether every file is what was committed, and none was added."""
        return all(file.state == "sound" for file in self.files)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The paths of files that are damaged or missing."""
        return tuple(file.path for file in self.files if file.state in _WRONG)


@attrs.frozen(kw_only=True)
class CacheCheck:
    """What `verify` found: every tree that it looked at, file by file.

    Attributes:
        trees: Sorted by what they are served as.

    Example:
        >>> import mlopus
        >>> print(mlopus.testing.in_memory().verify().unwrap())
        0 files sound, 0 damaged, 0 missing
    """

    trees: tuple[TreeCheck, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every file is what was committed, and none was added."""
        return all(tree.is_sound for tree in self.trees)

    @property
    def files(self) -> tuple[CheckedFile, ...]:
        """All files of all trees."""
        return tuple(file for tree in self.trees for file in tree.files)

    def count(self, state: FileState) -> int:
        """How many files are in that state."""
        return Counter(file.state for file in self.files)[state]

    def __str__(self) -> str:
        lines = [
            f"{file.state:<8} {file.path or 'all'}  {_served(tree)}"
            for tree in self.trees
            for file in tree.files
            if file.state != "sound"
        ]
        return "\n".join([*lines, self._counts()])

    def __repr__(self) -> str:
        """One line, however many files there are; `str` names what is not sound."""
        return f"<{type(self).__name__} {self._counts()}>"

    def _counts(self) -> str:
        sound = self.count("sound")
        wrong = "".join(f", {self.count(state):,} {state}" for state in _WRONG)
        added = self.count("added")
        wrong += f", {added:,} added" if added else ""
        return f"{sound:,} {'file' if sound == 1 else 'files'} sound{wrong}"


def _served(tree: TreeCheck) -> str:
    if not tree.served_as:
        return f"tree {tree.tree_key[:12]}"
    return "; ".join(f"{path!r} of {subject}" if path else str(subject) for subject, path in tree.served_as)
