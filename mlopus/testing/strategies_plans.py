"""Hypothesis strategies for requests on artifacts and the facts they are planned from.

Worlds are truthful, like real ones: a digest, a validator or a size, where a store tells it, is that
of the content. They are small, so that paths, contents and times often meet.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.keys import ModelKey, RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import (
    ArtifactLocation,
    Entry,
    LocalFile,
    Manifest,
    ManifestFile,
    RemoteFile,
    RemoteTree,
)
from mlopus.domain.origin import Origin
from mlopus.domain.paths import join_path, join_url, path_below
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord, VersionRecord
from mlopus.plans.facts import (
    CacheFacts,
    Facts,
    SettingsFacts,
    SourceFacts,
    StoreFacts,
    TargetFacts,
    TargetFile,
    Told,
    TrackingFacts,
)
from mlopus.plans.plan import Plan, Stage
from mlopus.plans.requests import (
    ArtifactOf,
    LogModelVersion,
    LogRunArtifact,
    PublishOptions,
    PublishRequest,
)
from mlopus.plans.steps import TargetAbsent, TargetPresent
from mlopus.plans.tables import still_empty, table_fault

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = RunRecord(id="r1", exp_id="1", artifact_uri="s3://bucket/1/r1/artifacts")
EXPERIMENT = ExperimentRecord(id="1", name="exp")
MODEL = ModelRecord(name="ranker")
CONTENTS = ("one", "two", "six", "", "longer")
"""What files hold; three are of equal size, one is empty."""
MODES: tuple[tuple[Told, ...], ...] = (
    ("size", "validator", "sha256"),
    ("size", "validator"),
    ("size", "sha256"),
    ("size",),
    ("validator",),
    (),
)
_PATHS = ("", "a", "a/b")
_NAMES = ("a", "b", "c.txt", "d e", "a/b", "a/c.txt", "b/a", "b/c.txt", "a/b/c.txt", "a/b/d e", "ü/b")
_KNOWN = {hashlib.sha256(content.encode()).hexdigest(): content for content in CONTENTS}


_BOOLEANS = st.booleans()
_FLAGS = st.sampled_from((None, True, False))
_CONTENTS = st.sampled_from(CONTENTS)
_WHERE = st.sampled_from(_PATHS)
_MODES = st.sampled_from(MODES)
_ENTRY_PATHS = st.lists(st.sampled_from((*_PATHS, "a/b/c.txt", "b")), max_size=3, unique=True)
_AGES_S = st.integers(-2, 1)
_OLD_AGES_S = st.integers(-2, -1)
_LATER_S = st.integers(0, 1)


def digest(content: str) -> str:
    """The sha256 of a content."""
    return hashlib.sha256(content.encode()).hexdigest()


@attrs.frozen
class Tree:
    """What is at a path: contents by path, and empty folders; a single file has path ""."""

    contents: immutabledict[str, str]
    empty_folders: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        """Whether it is a single file."""
        return "" in self.contents


@attrs.frozen(kw_only=True)
class World:
    """Facts, and what the store truly holds at their location."""

    facts: Facts
    remote: Tree


@cache
def trees(*, min_size: int = 0, folders: bool = True) -> st.SearchStrategy[Tree]:
    """Trees that a disk can hold: a file, or a folder with some."""
    paths = st.sampled_from(_NAMES)
    contents = _CONTENTS
    empty = st.lists(paths, max_size=2) if folders else st.just([])
    many = st.builds(_tree, st.dictionaries(paths, contents, min_size=min_size, max_size=5), empty)
    single = contents.map(lambda content: Tree(immutabledict({"": content})))
    fitting = many.filter(lambda tree: table_fault(tree.contents, tree.empty_folders) is None)
    return st.one_of(fitting, fitting, fitting, single)


def _tree(contents: dict[str, str], empty_folders: list[str]) -> Tree:
    return Tree(immutabledict(contents), still_empty(empty_folders, contents))


def validator(path: str, content: str) -> str:
    """What a store says of a content at a path."""
    return f"etag of {content!r} at {path!r}"


def listing(tree: Tree, path: str, told: tuple[Told, ...], listed_at: datetime) -> RemoteTree:
    """What a store lists at a path of a run."""
    files = tuple(
        RemoteFile(
            path=name,
            size_bytes=len(content) if "size" in told else None,
            validator=validator(join_path(path, name), content) if "validator" in told else None,
            sha256=digest(content) if "sha256" in told else None,
        )
        for name, content in sorted(tree.contents.items())
    )
    return RemoteTree(
        listed_at=listed_at, files=files, empty_folders=tree.empty_folders, is_file=tree.is_file
    )


def committed(tree: Tree, path: str) -> Manifest:
    """The manifest of a tree as the cache commits it."""
    files = tuple(
        ManifestFile(path=name, size_bytes=len(content), sha256=digest(content))
        for name, content in tree.contents.items()
    )
    name = path.rpartition("/")[2] or "artifacts"
    return Manifest.of(name, files, is_file=tree.is_file, empty_folders=tree.empty_folders)


def seen_from(remote: Tree, where: str, path: str) -> Tree | None:
    """What is at another path, given what is at one; None where that tells nothing."""
    inside = path_below(where, path)
    if inside is not None:
        folders = tuple(join_path(inside, folder) for folder in remote.empty_folders)
        return Tree(
            immutabledict({join_path(inside, name): held for name, held in remote.contents.items()}), folders
        )
    below = path_below(path, where)
    if below is None:
        return None
    part = committed(remote, where).subtree(below)
    if part is None or not part.files:
        return None
    return Tree(immutabledict({file.path: _KNOWN[file.sha256] for file in part.files}), part.empty_folders)


def changed(tree: Tree) -> st.SearchStrategy[Tree]:
    """A tree in which the first file has another content."""
    first = min(tree.contents)
    return _CONTENTS.map(lambda content: attrs.evolve(tree, contents=tree.contents | {first: content}))


@st.composite
def entries(
    draw: st.DrawFn, told: tuple[Told, ...], remote: Tree, where: str
) -> tuple[tuple[Entry, Manifest], ...]:
    """What a cache took from a store at several moments, one entry a path.

    What was taken at the time of the listing or later is what is there; what was taken before may be
    anything, and is often nearly the same.
    """
    found: list[tuple[Entry, Manifest]] = []
    for path in draw(_ENTRY_PATHS):
        now = seen_from(remote, where, path)
        age_s = draw(_AGES_S if now is not None else _OLD_AGES_S)
        tree = now
        if tree is None or (age_s < 0 and draw(_BOOLEANS)):
            tree = draw(trees(min_size=1) if tree is None or draw(_BOOLEANS) else changed(tree))
        manifest = committed(tree, path)
        said = {name: validator(join_path(path, name), held) for name, held in tree.contents.items()}
        entry = Entry(
            subject=run_subject(RUN.id),
            path=path,
            tree_key=manifest.key,
            name=manifest.name,
            is_file=tree.is_file,
            taken_at=NOW + timedelta(seconds=age_s),
            store_url=join_url(RUN.repo, path),
            validators=immutabledict(said if "validator" in told else {}),
        )
        found.append((entry, manifest))
    return tuple(found)


@st.composite
def worlds(draw: st.DrawFn, path: str | None = None) -> World:
    """A store with something at a path, and a cache that may know some of it."""
    where = draw(_WHERE) if path is None else path
    told, is_local = draw(_MODES), draw(_BOOLEANS)
    remote = draw(trees(min_size=1, folders=is_local))
    held = draw(entries(told, remote, where))
    cache = CacheFacts(
        cache_id="cache",
        entries=tuple(entry for entry, _ in held),
        manifests=immutabledict({entry.tree_key: manifest for entry, manifest in held}),
        can_reflink=draw(_BOOLEANS),
    )
    store = StoreFacts(
        scheme="file" if is_local else "s3",
        is_local=is_local,
        requests_cost=not is_local,
        listing=listing(remote, where, told, NOW),
        tells=told,
    )
    facts = Facts(
        now=NOW + timedelta(seconds=draw(_LATER_S)),
        tracking=TrackingFacts(origin=Origin.of("http://server:5000"), requests_cost=True),
        settings=SettingsFacts(always_pull=draw(_BOOLEANS), cache_local_artifacts=draw(_BOOLEANS)),
        records=draw(st.sampled_from(((), (RUN, EXPERIMENT)))),
        location=ArtifactLocation(subject=run_subject(RUN.id), root_url=RUN.repo, path=where),
        cache=cache,
        store=store,
    )
    return World(facts=facts, remote=remote)


@st.composite
def targets(draw: st.DrawFn) -> TargetFacts:
    """A target that is absent, or holds something."""
    if draw(_BOOLEANS):
        return TargetFacts(path="/home/user/target", expectation=TargetAbsent())
    tree = draw(trees())
    files = tuple(
        TargetFile(path=name, size_bytes=len(content), sha256=digest(content))
        for name, content in sorted(tree.contents.items())
    )
    there = TargetPresent(digest="seen", file_count=len(files))
    return TargetFacts(
        path="/home/user/target",
        expectation=there,
        is_file=tree.is_file,
        files=files,
        empty_folders=tree.empty_folders,
    )


@st.composite
def sources(draw: st.DrawFn, like: Tree) -> SourceFacts:
    """A source with files, often nearly what is published already."""
    tree = draw(trees(min_size=1))
    if draw(_BOOLEANS) and not like.is_file and not tree.is_file:
        both = Tree(like.contents | tree.contents, ())
        tree = both if table_fault(both.contents) is None else like
    files = tuple(
        LocalFile(path=name, size_bytes=len(content), mtime_ns=1, sha256=digest(content))
        for name, content in sorted(tree.contents.items())
    )
    leaving = draw(st.sampled_from(((), (), (files[0].path,))))
    return SourceFacts(
        path="/home/user/source",
        is_file=tree.is_file,
        files=files,
        empty_folders=tree.empty_folders,
        links_leaving=leaving,
    )


_PUBLISHED_WORLDS = st.one_of(worlds(path="a"), worlds(path="a/b"))


@st.composite
def publishes(draw: st.DrawFn) -> tuple[PublishRequest, World]:
    """A publish, and the facts it is planned from."""
    world = draw(_PUBLISHED_WORLDS)
    location = world.facts.location
    assert location is not None
    options = PublishOptions(
        keep_the_source=draw(_FLAGS), allow_duplication=draw(_FLAGS), use_cache=draw(_FLAGS)
    )
    version = VersionRecord(name="other", version="1", source="s3://bucket/1/r1/artifacts/b", run_id=RUN.id)
    used = draw(st.sampled_from(((), (), ((version, draw(st.sampled_from(("b", "a/b", "a/c.txt")))),))))
    facts = attrs.evolve(
        world.facts,
        source=draw(sources(world.remote)),
        records=(MODEL, RUN, EXPERIMENT),
        cached_records=draw(st.sampled_from(((), (RUN, EXPERIMENT)))),
        versions_of_run=used,
    )
    run, path, from_callback = RunKey(RUN.id), location.path, draw(_BOOLEANS)
    if draw(_BOOLEANS):
        request: PublishRequest = LogRunArtifact(
            run=run,
            source="/home/user/source",
            path_in_run=path,
            from_callback=from_callback,
            options=options,
            overwrite=draw(_BOOLEANS),
            mirror=draw(_BOOLEANS),
        )
    else:
        request = LogModelVersion(
            model=ModelKey("ranker"),
            run=run,
            source="/home/user/source",
            path_in_run=path,
            from_callback=from_callback,
            options=options,
            version=None,
            tags=immutabledict({"stage": "test"}),
            overwrite=draw(_BOOLEANS),
            operation_id="op-1",
        )
    return request, attrs.evolve(world, facts=facts)


def artifact_of(facts: Facts) -> ArtifactOf:
    """The artifact that facts are about, as a request names it."""
    assert facts.location is not None
    return ArtifactOf(owner=RunKey(RUN.id), path=facts.location.path)


def first_steps(plan: Plan, count: int) -> Plan:
    """The plan as far as its first steps: what a kill leaves of it."""
    stages: list[Stage] = []
    for stage in plan.stages:
        stages.append(stage[: max(count, 0)])
        count -= len(stage)
    return attrs.evolve(plan, stages=tuple(stage for stage in stages if stage))


@st.composite
def shuffled(draw: st.DrawFn, facts: Facts) -> Facts:
    """The same facts, gathered in another order."""

    def mixed(items: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(draw(st.permutations(items)))

    store, source, cache, target = facts.store, facts.source, facts.cache, facts.target
    if store is not None and store.listing is not None:
        mixed_listing = attrs.evolve(
            store.listing,
            files=mixed(store.listing.files),
            empty_folders=mixed(store.listing.empty_folders),
        )
        store = attrs.evolve(store, listing=mixed_listing)
    if source is not None:
        source = attrs.evolve(source, files=mixed(source.files), empty_folders=mixed(source.empty_folders))
    if target is not None:
        target = attrs.evolve(target, files=mixed(target.files))
    if cache is not None:
        cache = attrs.evolve(cache, entries=mixed(cache.entries))
    export = facts.export
    if export is not None and export.cache is not None:
        held = attrs.evolve(export.cache, entries=mixed(export.cache.entries))
        export = attrs.evolve(export, cache=held, held=mixed(export.held))
    return attrs.evolve(
        facts,
        export=export,
        store=store,
        source=source,
        cache=cache,
        target=target,
        versions_of_run=mixed(facts.versions_of_run),
    )
