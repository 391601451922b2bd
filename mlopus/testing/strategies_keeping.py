"""Hypothesis strategies for requests that keep a cache in order, and the facts they are planned from.

Worlds are small, so that trees share files, entries, pins and holds often.
"""

from __future__ import annotations

from datetime import timedelta

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import ArtifactLocation, ArtifactSubject, Entry
from mlopus.domain.paths import join_url
from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.keeping import (
    Damage,
    EntryAt,
    HeldTree,
    KeepingFacts,
    Leftover,
    Pin,
    Placement,
    SeenPlacement,
    TemporaryFolder,
    TreeFacts,
)
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    KeepingRequest,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.testing.strategies_plans import NOW, RUN, World, committed, worlds

HERE, ELSEWHERE = "here", "elsewhere"
_SUBJECTS = (run_subject(RUN.id), ArtifactSubject(kind="url", key="s3://bucket/other"))
_PATHS = st.sampled_from(("", "a", "a/b", "b"))
_ORIGINS = st.sampled_from((HERE, HERE, ELSEWHERE))
_BLOBS = st.lists(st.sampled_from((("one", 1), ("two", 20), ("six", 300))), max_size=3, unique=True)
_AGES_S = st.sampled_from((0, 5, 10, 10, 100))
_KEYS = ("k1", "k2", "k3", "k4")
_SOME_KEYS = st.lists(st.sampled_from((*_KEYS, "k9")), max_size=2, unique=True)

_places = st.builds(EntryAt, origin_key=_ORIGINS, subject=st.sampled_from(_SUBJECTS), path=_PATHS)
_pins = st.builds(Pin, origin_key=_ORIGINS, subject=st.sampled_from(_SUBJECTS), path=_PATHS)


@st.composite
def kept_caches(draw: st.DrawFn) -> KeepingFacts:
    """What a cache of several servers holds, and who needs what of it. An entry has one tree."""
    places = draw(st.lists(_places, max_size=5, unique=True))
    keys = [draw(st.sampled_from(_KEYS)) for _ in places]
    trees = tuple(
        TreeFacts(
            tree_key=key,
            blobs=tuple(draw(_BLOBS)),
            used_at=NOW - timedelta(seconds=draw(_AGES_S)),
            entries=tuple(at for at, held in zip(places, keys, strict=True) if held == key),
        )
        for key in _KEYS
        if key in keys or draw(st.booleans())
    )
    placements = tuple(
        SeenPlacement(
            placement=Placement(target=f"/t{number}", tree_key=key, path=""),
            state=draw(st.sampled_from(("linked", "gone", "unseen"))),
        )
        for number, key in enumerate(draw(_SOME_KEYS))
    )
    holders = (HeldTree(tree_key=key, by="journal", reason="entry 1") for key in draw(_SOME_KEYS))
    return KeepingFacts(
        origin_key=HERE,
        grace_s=draw(st.sampled_from((0.0, 7.0))),
        trees=trees,
        held=tuple(holders),
        pins=tuple(draw(st.lists(_pins, max_size=2, unique=True))),
        placements=placements,
        leftovers=draw(st.sampled_from(((), (Leftover(name="m-1-2-3", size_bytes=4),)))),
        temporaries=draw(st.sampled_from(((), (TemporaryFolder(name="t", file_count=2, size_bytes=3),)))),
        has_metadata=draw(st.booleans()),
    )


@st.composite
def collections(draw: st.DrawFn) -> tuple[CollectGarbage | CleanCache | CleanTemporary, Facts]:
    """A request that lets things go, and the facts it is planned from."""
    limits: CollectGarbage | CleanCache | CleanTemporary = CollectGarbage(
        max_bytes=draw(st.sampled_from((None, 0, 20, 321, 1000))),
        unused_for_s=draw(st.sampled_from((None, 0.0, 8.0))),
    )
    others: tuple[CollectGarbage | CleanCache | CleanTemporary, ...] = (CleanCache(), CleanTemporary())
    request = draw(st.sampled_from((limits, limits, *others)))
    return request, attrs.evolve(_base(draw(worlds())), keeping=draw(kept_caches()))


@st.composite
def keeping_requests(draw: st.DrawFn) -> tuple[KeepingRequest, World]:
    """Any request that keeps a cache in order, and a world in which it can be planned."""
    kind = draw(st.sampled_from(("let go", "pin", "unpin", "repair")))
    world = draw(worlds())
    if kind == "let go":
        request, facts = draw(collections())
        return request, attrs.evolve(world, facts=facts)
    if kind == "repair":
        return draw(repairs())
    asked = PinArtifact if kind == "pin" else UnpinArtifact
    facts = attrs.evolve(world.facts, keeping=draw(kept_caches()))
    pinning = asked(owner=RunKey(RUN.id), path=location_of(facts).path)
    return pinning, attrs.evolve(world, facts=facts)


@st.composite
def repairs(draw: st.DrawFn) -> tuple[RepairCache, World]:
    """A repair of what was cached of a store, some of it damaged, and what the store holds now."""
    world = draw(worlds())
    location, store = location_of(world.facts), world.facts.store
    assert store is not None
    manifest = committed(world.remote, location.path)
    entry = Entry(
        subject=location.subject,
        path=location.path,
        tree_key=manifest.key,
        name=manifest.name,
        is_file=manifest.is_file,
        taken_at=NOW,
        store_url=join_url(location.root_url, location.path),
        validators=immutabledict(),
    )
    wrong = draw(st.lists(st.sampled_from([file.path for file in manifest.files]), unique=True, min_size=1))
    is_lost = draw(st.booleans())
    damage = Damage(
        entry=entry,
        manifest=None if is_lost else manifest,
        paths=("",) if is_lost else tuple(sorted(wrong)),
        listing=store.listing,
    )
    cache = CacheFacts(cache_id="cache", entries=(entry,), manifests=immutabledict({manifest.key: manifest}))
    found = draw(st.sampled_from(((damage,), (damage,), ())))
    keeping = KeepingFacts(origin_key=HERE, damage=found)
    return RepairCache(), attrs.evolve(world, facts=attrs.evolve(world.facts, cache=cache, keeping=keeping))


def location_of(facts: Facts) -> ArtifactLocation:
    """Where the world is."""
    assert facts.location is not None
    return facts.location


def _base(world: World) -> Facts:
    return attrs.evolve(world.facts, cache=CacheFacts(cache_id="cache"))
