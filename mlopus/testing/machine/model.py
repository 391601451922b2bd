"""What an API and its cache hold, as plain dicts: the model that the state machine compares them with.

Rules of this module: nothing of mlopus' own planning is used here. Each method does to the dicts what
a verb does to repositories, and answers what the verb answers: a value, or `Fails`. Where repositories
may differ, it is by what a store tells of its files (`tells`): their digests, validators, or sizes only.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    NotCached,
    NotFound,
    OfflineMode,
    PathInUse,
)
from mlopus.testing.machine.values import (
    ROOT,
    Cached,
    Contents,
    Fails,
    File,
    ModelRun,
    Placed,
    below,
    clash,
    contents_of,
    joined,
    link_of,
    overlap,
    part_of,
    same,
    tree_of,
)


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
        self.rows: set[tuple[str, str]] = set()
        self.pins: set[tuple[str, str]] = set()
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

    def get_run(self, run_id: str) -> Fails | None:
        """`get_run`; what the server answers is cached, with the experiment."""
        if not self.offline:
            self.lead_to(run_id)
        if ("run", run_id) not in self.rows:
            return Fails(NotCached, {"kind": "run", "key": run_id})
        return self.exp_is_seen(self.runs[run_id].exp_id)

    def exp_is_seen(self, exp_id: str) -> Fails | None:
        """What keeps an experiment from being read."""
        if not self.offline or ("experiment", exp_id) in self.rows:
            return None
        return Fails(NotCached, {"kind": "experiment", "key": exp_id})

    def find_runs(self, exp_id: str, team: Any) -> Fails | list[str]:
        """`find_runs` of an experiment with that tag; offline those that are cached."""
        if (unseen := self.exp_is_seen(exp_id)) is not None:
            return unseen
        return sorted(
            run_id
            for run_id, run in self.runs.items()
            if run.exp_id == exp_id and not run.is_deleted and same(run.tags.get("team"), team)
            if not self.offline or ("run", run_id) in self.rows
        )

    def get_or_create_model(self, name: str) -> Fails | None:
        """`get_or_create_model`; offline it is as cached."""
        if self.offline and ("model", name) not in self.rows:
            return Fails(OfflineMode)
        self.models.setdefault(name, {})
        self.rows.add(("model", name))
        return None

    def lead_to(self, run_id: str) -> None:
        """What leads to a run's artifacts is cached."""
        self.rows |= {("run", run_id), ("experiment", self.runs[run_id].exp_id)}

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
            self._cache_published(run_id, path, source, is_changed=changes)
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
        in_the_way = sorted(name for name in beside if clash(name, source))
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

    def _cache_published(self, run_id: str, path: str, source: Contents, *, is_changed: bool) -> None:
        run = self.runs[run_id]
        now, entry = part_of(run.files, path), run.covering(path)
        is_known = all(name in source or self._is_held(run, path, name) for name in now)
        if is_changed or entry is None or not is_known or contents_of(entry.part(path)) != contents_of(now):
            run.entries.append(Cached(path=path, files=now))
            self.lead_to(run_id)

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
        self.lead_to(run_id)
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
            parts = run.cached_below(path)
            return contents_of(parts) if parts else Fails(NotCached, {"kind": "artifact"})
        part = entry.part(path)
        return contents_of(part) if part else Fails(NotFound, {"kind": "artifact"})

    def open(self, run_id: str, path: str) -> Fails | Contents:
        """`open_artifact`: a file of the newest entry that has it, else of the store; nothing is cached."""
        run = self.runs[run_id]
        entry = run.covering(path)
        held = {} if entry is None else entry.part(path)
        if ROOT in held:
            return contents_of(held)
        if self.offline:
            return Fails(NotCached if entry is None else NotFound, {"kind": "artifact"})
        there = run.files.get(path)
        return Fails(NotFound) if there is None else {ROOT: there.content}

    def clean(self, run_id: str, path: str) -> None:
        """`clean_cached_run_artifact`."""
        self.runs[run_id].withdraw(path)

    def pin(self, run_id: str, path: str) -> Fails | None:
        """`pin`: what is cached at, above or below a path."""
        if (run_id, path) not in self.pins and not any(
            overlap(e.path, path) for e in self.runs[run_id].entries
        ):
            return Fails(NotCached, {"kind": "artifact"})
        self.pins.add((run_id, path))
        return None

    def unpin(self, run_id: str, path: str) -> None:
        """`unpin`: all pins at and below a path."""
        self.pins = {(run, at) for run, at in self.pins if run != run_id or below(at, path) is None}

    def evict(self) -> None:
        """`gc` of all that nothing needs: no pin, and no link at a target."""
        needed = {(name, content) for name, _, content in (t.link for t in self.targets.values() if t.link)}
        for run_id, run in self.runs.items():
            pins = [path for pinned, path in self.pins if pinned == run_id]
            needed |= {tree_of(run, e) for e in run.entries if any(overlap(e.path, path) for path in pins)}
        for run in self.runs.values():
            run.entries = [entry for entry in run.entries if tree_of(run, entry) in needed]

    def clean_all(self) -> None:
        """`clean_all_cache`."""
        self.evict()
        self.rows.clear()

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
        placed = Placed(contents=content, link=link_of(run, answering, path) if links else None)
        if there is not None and there != placed and not overwrite:
            return Fails(AlreadyExists, {"kind": "target"})
        self.targets[target] = placed
        return content

    def _is_held(self, run: ModelRun, path: str, name: str) -> bool:
        held = run.held(joined(path, name))
        return held is not None and self._is_same(run.files[joined(path, name)], held)
