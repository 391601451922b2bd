"""What the model is made of: runs, their files, pictures of these; and how paths lie to one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from mlopus.errors import MlopusError


@attrs.frozen
class File:
    """A file of a store: its content, and which upload brought it."""

    content: bytes
    upload: int


Files: TypeAlias = Mapping[str, File]
Contents: TypeAlias = dict[str, bytes]


@attrs.frozen
class Fails:
    """A failure of that class, with these fields among its own."""

    error: type[MlopusError]
    fields: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen(kw_only=True)
class Cached:
    """An entry of the artifact cache: a picture of a path."""

    path: str
    files: Files

    def covers(self, path: str) -> bool:
        """Whether a path is this one or below it."""
        return below(path, self.path) is not None

    def part(self, path: str) -> dict[str, File]:
        """What it holds at a path that it covers."""
        return part_of(self.files, below(path, self.path) or "")


@attrs.define(kw_only=True)
class ModelRun:
    """A run: what was logged, its files, and what of these is cached, the oldest first."""

    exp_id: str
    name: str
    root_name: str
    params: dict[str, Any] = attrs.field(factory=dict[str, Any])
    metrics: dict[str, list[float]] = attrs.field(factory=dict[str, list[float]])
    tags: dict[str, Any] = attrs.field(factory=dict[str, Any])
    is_deleted: bool = False
    files: dict[str, File] = attrs.field(factory=dict[str, File])
    entries: list[Cached] = attrs.field(factory=list[Cached])
    versions: list[tuple[str, int, str]] = attrs.field(factory=list[tuple[str, int, str]])

    def covering(self, path: str) -> Cached | None:
        """The newest entry that covers a path."""
        return next((entry for entry in reversed(self.entries) if entry.covers(path)), None)

    def cached_below(self, path: str) -> dict[str, File]:
        """What entries below a path hold, by paths in it: of each file the newest."""
        found: dict[str, File] = {}
        for entry in reversed(self.entries):
            inside = below(entry.path, path)
            for name, file in entry.files.items() if inside else ():
                found.setdefault(joined(inside or "", name), file)
        return found

    def withdraw(self, path: str) -> None:
        """Forget entries at, above and below a path."""
        self.entries = [e for e in self.entries if not e.covers(path) and below(e.path, path) is None]

    def held(self, path: str) -> File | None:
        """A file as the newest entry that has it holds it."""
        for entry in reversed(self.entries):
            inside = below(path, entry.path)
            if inside is not None and inside in entry.files:
                return entry.files[inside]
        return None


Tree: TypeAlias = tuple[str, tuple[tuple[str, bytes], ...]]
Link: TypeAlias = tuple[str, str, tuple[tuple[str, bytes], ...]]
"""What links at a target lead to: the name and content of a committed tree, and the part of it."""


@attrs.frozen(kw_only=True)
class Placed:
    """What a target holds; `link` where its files are links."""

    contents: Contents
    link: Link | None


ROOT: Final = ""


def same(one: object, other: object) -> bool:
    """Whether two values are equal in type too."""
    return type(one) is type(other) and one == other


def below(path: str, above: str) -> str | None:
    """A path relative to one that it is at or below; None where it is elsewhere."""
    if above in {ROOT, path}:
        return ROOT if path == above else path
    return path[len(above) + 1 :] if path.startswith(f"{above}/") else None


def joined(path: str, name: str) -> str:
    """A path below another; either may be empty."""
    return "/".join(part for part in (path, name) if part)


def part_of(files: Files, path: str) -> dict[str, File]:
    """The files at or below a path, by their path in it."""
    return dict(_below(files, path))


def contents_of(files: Files) -> Contents:
    """Without how they came."""
    return {name: file.content for name, file in files.items()}


def _below(files: Files, path: str) -> Iterator[tuple[str, File]]:
    for name, file in files.items():
        inside = below(name, path)
        if inside is not None:
            yield inside, file


def clash(name: str, source: Contents) -> bool:
    """Whether a file stands where the source has a folder, or below where it has a file."""
    return any(below(other, name) is not None or below(name, other) is not None for other in source)


def overlap(one: str, other: str) -> bool:
    """Whether one of two paths is at or below the other."""
    return below(one, other) is not None or below(other, one) is not None


def tree_of(run: ModelRun, entry: Cached) -> Tree:
    """What tells a committed tree from others: trees with one name and content are one."""
    name = entry.path.rpartition("/")[2] or run.root_name
    return name, tuple(sorted(contents_of(entry.files).items()))


def link_of(run: ModelRun, entry: Cached, path: str) -> Link:
    """What links to a path of an entry lead to."""
    name, content = tree_of(run, entry)
    return name, below(path, entry.path) or ROOT, content
