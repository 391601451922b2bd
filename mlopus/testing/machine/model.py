"""What an API and its cache hold, as plain dicts: the model that the state machine compares them with.

Rules of this module: nothing of mlopus' own planning is used here. Each method does to the dicts what
a verb does to repositories, and answers what the verb answers: a value, or `Fails`. Where repositories
may differ, it is by what a store tells of its files (`tells`): their digests, validators, or sizes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final, TypeAlias

import attrs

from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    MlopusError,
    NotCached,
    NotFound,
    OfflineMode,
    PathInUse,
)


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


Link: TypeAlias = tuple[str, str, tuple[tuple[str, bytes], ...]]
"""What links at a target lead to: the name and content of a committed tree, and the part of it."""


@attrs.frozen(kw_only=True)
class Placed:
    """What a target holds; `link` where its files are links."""

    contents: Contents
    link: Link | None


ROOT: Final = ""


class StateModel:
    """Experiments, runs, models and the cache of one API.

    Args:
        tells: What the store tells of a file besides its path: "sha256", "validator", or neither.
    """

    def __init__(self, tells: tuple[str, ...]) -> None:
        self.tells = tells
        self.offline = False
        self.exps: dict[str, str] = {}
        self.runs: dict[str, ModelRun] = {}
        self.models: dict[str, dict[int, str]] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.targets: dict[str, Placed] = {}
        self._uploads = count()

    def needs_server(self) -> Fails | None:
        """The refusal of what changes something, while offline."""
        return Fails(OfflineMode) if self.offline else None

    def missing(self, kind: str, key: str) -> Fails:
        """The failure to find an entity that nobody created."""
        return Fails(NotCached if self.offline else NotFound, {"kind": kind, "key": key})

    def create_exp(self, name: str) -> Fails | None:
        """`create_exp`; on None the caller adds it under its id."""
        if (refused := self.needs_server()) is not None:
            return refused
        taken = name in self.exps.values()
        return Fails(AlreadyExists, {"kind": "experiment", "key": name}) if taken else None

    def write(self, run_id: str) -> Fails | None:
        """What refuses to log anything of a run."""
        if (refused := self.needs_server()) is not None:
            return refused
        return Fails(InvalidRequest) if self.runs[run_id].is_deleted else None

    def log_param(self, run_id: str, key: str, value: Any) -> Fails | None:
        """`log_params` of one; a param is set once."""
        refused = self.write(run_id)
        if refused is not None:
            return refused
        is_same = same(self.runs[run_id].params.setdefault(key, value), value)
        return None if is_same else Fails(InvalidRequest)

    def publish(
        self, run_id: str, path: str, source: Contents, *, mirror: bool, use_cache: bool, overwrite: bool
    ) -> Fails | None:
        """What a publish changes in the store and the cache, or what forbids it."""
        if (refused := self.needs_server()) is not None:
            return refused
        run = self.runs[run_id]
        sent = {name for name, content in source.items() if not self._is_kept(run, path, name, content)}
        changes = self._changes(run, path, source, sent, mirror=mirror, overwrite=overwrite)
        if isinstance(changes, Fails):
            return changes
        if changes:
            run.withdraw(path)
        if use_cache:
            self._cache_published(run, path, source, is_changed=changes)
        return None

    def publish_elsewhere(self, run_id: str, path: str, source: Contents, *, mirror: bool) -> Fails | None:
        """A publish by another client, which has nothing cached: what is cached here stays."""
        run = self.runs[run_id]
        knows = "sha256" in self.tells
        sent = {n for n in source if not (knows and self._is_kept(run, path, n, source[n]))}
        changes = self._changes(run, path, source, sent, mirror=mirror, overwrite=False)
        return changes if isinstance(changes, Fails) else None

    def _changes(
        self, run: ModelRun, path: str, source: Contents, sent: set[str], *, mirror: bool, overwrite: bool
    ) -> Fails | bool:
        """Change the store; answers whether anything in it became another."""
        beside = {name for name in part_of(run.files, path) if name not in source}
        removed = beside if mirror else set[str]()
        in_the_way = sorted(name for name in beside if _clash(name, source))
        if in_the_way and not removed:
            return Fails(AlreadyExists, {"kind": "artifact", "key": joined(path, in_the_way[0])})
        in_use = self._version_at(run, [joined(path, name) for name in sent | removed])
        if in_use is not None and not overwrite:
            return Fails(PathInUse, {"path": path, "used_by": in_use})
        for name in removed:
            del run.files[joined(path, name)]
        for name in sent:
            run.files[joined(path, name)] = File(source[name], next(self._uploads))
        return bool(sent or removed)

    def _is_kept(self, run: ModelRun, path: str, name: str, content: bytes) -> bool:
        """Whether the store is known to hold this content."""
        there = run.files.get(joined(path, name))
        if there is None:
            return False
        if "sha256" in self.tells:
            return there.content == content
        held = run.held(joined(path, name))
        return held is not None and self._is_same(there, held) and held.content == content

    def _is_same(self, listed: File, held: File) -> bool:
        """Whether a file of the store is proven to be what is held."""
        if "sha256" in self.tells:
            return listed.content == held.content
        return "validator" in self.tells and listed == held

    def _version_at(self, run: ModelRun, changed: list[str]) -> str | None:
        used = sorted(
            (model, number)
            for model, number, at in run.versions
            if any(below(path, at) is not None for path in changed)
        )
        return f"version {used[0][1]} of model {used[0][0]!r}" if used else None

    def _cache_published(self, run: ModelRun, path: str, source: Contents, *, is_changed: bool) -> None:
        now, entry = part_of(run.files, path), run.covering(path)
        is_known = all(name in source or self._is_held(run, path, name) for name in now)
        if is_changed or entry is None or not is_known or contents_of(entry.part(path)) != contents_of(now):
            run.entries.append(Cached(path=path, files=now))

    def cache(self, run_id: str, path: str) -> Fails | Contents:
        """`cache_run_artifact`: what the path holds once the cache is current."""
        if self.offline:
            return Fails(OfflineMode)
        run = self.runs[run_id]
        now = part_of(run.files, path)
        if not now:
            return Fails(NotFound, {"kind": "artifact"})
        entry = run.covering(path)
        held = {} if entry is None else entry.part(path)
        if held.keys() != now.keys() or not all(self._is_same(now[name], held[name]) for name in now):
            run.entries.append(Cached(path=path, files=now))
        return contents_of(now)

    def get(self, run_id: str, path: str) -> Fails | Contents:
        """`get_run_artifact`: the newest entry that has it, else the store."""
        run = self.runs[run_id]
        entry = run.covering(path)
        if entry is not None and (part := entry.part(path)):
            return contents_of(part)
        if self.offline:
            return Fails(NotCached if entry is None else NotFound, {"kind": "artifact"})
        return self.cache(run_id, path)

    def listed(self, run_id: str, path: str) -> Fails | Contents:
        """`list_run_artifacts`, recursive: the files, each with its content."""
        run = self.runs[run_id]
        if not self.offline:
            found = part_of(run.files, path)
            return contents_of(found) if found else Fails(NotFound, {"kind": "artifact"})
        entry = run.covering(path)
        if entry is None:
            return Fails(NotCached)
        part = entry.part(path)
        return contents_of(part) if part else Fails(NotFound, {"kind": "artifact"})

    def clean(self, run_id: str, path: str) -> None:
        """`clean_cached_run_artifact`."""
        self.runs[run_id].withdraw(path)

    def place(self, run_id: str, path: str, target: str, *, overwrite: bool, links: bool) -> Fails | Contents:
        """`place_run_artifact` by symlinks or copies."""
        run = self.runs[run_id]
        entry = run.covering(path)
        is_hit = entry is not None and bool(entry.part(path))
        there = self.targets.get(target)
        if not is_hit and not self.offline and there is not None:
            now = part_of(run.files, path)
            known = all("sha256" in self.tells or self._is_held(run, path, name) for name in now)
            if now and known and not links and there == Placed(contents=contents_of(now), link=None):
                return there.contents
            if now and not overwrite:
                return Fails(AlreadyExists, {"kind": "target"})
        content = self.get(run_id, path)
        if isinstance(content, Fails):
            return content
        answering = run.covering(path)
        assert answering is not None
        placed = Placed(contents=content, link=_link(run, answering, path) if links else None)
        if there is not None and there != placed and not overwrite:
            return Fails(AlreadyExists, {"kind": "target"})
        self.targets[target] = placed
        return content

    def _is_held(self, run: ModelRun, path: str, name: str) -> bool:
        held = run.held(joined(path, name))
        return held is not None and self._is_same(run.files[joined(path, name)], held)


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


def _clash(name: str, source: Contents) -> bool:
    """Whether a file stands where the source has a folder, or below where it has a file."""
    return any(below(other, name) is not None or below(name, other) is not None for other in source)


def _link(run: ModelRun, entry: Cached, path: str) -> Link:
    name = entry.path.rpartition("/")[2] or run.root_name
    return name, below(path, entry.path) or ROOT, tuple(sorted(contents_of(entry.files).items()))
