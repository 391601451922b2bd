"""Hypothesis strategies for exports: an artifact of a world, and a cache folder that may hold some of it."""

from __future__ import annotations

from datetime import timedelta

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.records import CachedRecord
from mlopus.plans.facts import CacheFacts, ExportFacts, FolderFacts
from mlopus.plans.requests import ExportArtifact
from mlopus.testing.strategies_plans import (
    EXPERIMENT,
    NOW,
    RUN,
    World,
    artifact_of,
    entries,
    worlds,
)

_BOOLEANS = st.booleans()
_AGES_S = st.integers(-2, 1)
_FOLDER = "/home/user/carried"


@st.composite
def cached_records(draw: st.DrawFn) -> tuple[CachedRecord, ...]:
    """The run and its experiment, as taken at one moment or another; the run often has another name."""
    run = attrs.evolve(RUN, name=draw(st.sampled_from((None, "renamed"))))
    return tuple(
        CachedRecord(record=record, as_of=NOW + timedelta(seconds=draw(_AGES_S)))
        for record in (run, EXPERIMENT)
    )


@st.composite
def export_facts(draw: st.DrawFn, world: World) -> ExportFacts:
    """A folder that is nothing yet, or a cache that may know some of a world's artifact."""
    facts, rows = world.facts, draw(cached_records())
    if draw(_BOOLEANS):
        folder = FolderFacts(path=_FOLDER, cache_id="carried")
        return ExportFacts(folder=folder, rows=rows, cache=CacheFacts(cache_id="carried"))
    assert facts.location is not None
    assert facts.store is not None
    held = draw(entries(facts.store.tells, world.remote, facts.location.path))
    return ExportFacts(
        folder=FolderFacts(path=_FOLDER, cache_id="carried", is_cache=True),
        rows=rows,
        held=draw(cached_records()) if draw(_BOOLEANS) else (),
        cache=CacheFacts(
            cache_id="carried",
            entries=tuple(entry for entry, _ in held),
            manifests=immutabledict({entry.tree_key: manifest for entry, manifest in held}),
        ),
    )


@st.composite
def exports(draw: st.DrawFn) -> tuple[ExportArtifact, World]:
    """An export of an artifact, and the facts it is planned from."""
    world = draw(worlds())
    export = draw(export_facts(world))
    request = ExportArtifact(artifact=artifact_of(world.facts), target=_FOLDER)
    return request, attrs.evolve(world, facts=attrs.evolve(world.facts, export=export))
