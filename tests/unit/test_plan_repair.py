"""Repair, planned: what is fetched again, what is reused, and what cannot be mended."""

from __future__ import annotations

import attrs

from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.errors import IllegalPath, NotFound, OfflineMode, StoreFailed
from mlopus.plans.facts import Facts, SettingsFacts
from mlopus.plans.keeping import Damage, KeepingFacts
from mlopus.plans.keeping_requests import RepairCache
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CommitTree, FetchFiles
from tests.unit.plan_facts import NOW, cached, listed, of_artifact, only, sha, steps_of

HELD = cached({"a": "one", "b": "two"}, validators={"a": "etag-a", "b": "etag-b"})
LISTED = listed(
    RemoteFile(path="a", size_bytes=3, validator="etag-a"),
    RemoteFile(path="b", size_bytes=3, validator="etag-b"),
)


def damaged(*paths: str, listing: RemoteTree | None = LISTED, lost: bool = False) -> Facts:
    """Facts of a tree of which these files are damaged."""
    entry, manifest = HELD
    found = Damage(entry=entry, manifest=None if lost else manifest, paths=paths, listing=listing)
    keeping = KeepingFacts(origin_key="server-1", damage=(found,))
    return attrs.evolve(of_artifact(HELD), keeping=keeping)


def repaired(facts: Facts) -> Plan:
    return plan(RepairCache(), facts).unwrap()


def test_what_is_damaged_is_fetched_and_what_is_sound_is_reused() -> None:
    step = only(repaired(damaged("a")), FetchFiles)

    assert [file.path for file in step.files] == ["a"]
    assert [(file.path, file.sha256) for file in step.reused] == [("b", sha("two"))]


def test_what_the_store_does_not_prove_to_be_the_same_is_fetched_too() -> None:
    silent = listed(RemoteFile(path="a", size_bytes=3), RemoteFile(path="b", size_bytes=3))

    step = only(repaired(damaged("a", listing=silent)), FetchFiles)

    assert [file.path for file in step.files] == ["a", "b"]


def test_a_tree_that_is_gone_is_fetched_whole() -> None:
    assert [file.path for file in only(repaired(damaged("", lost=True)), FetchFiles).files] == ["a", "b"]


def test_it_is_committed_where_it_was() -> None:
    commit = only(repaired(damaged("a")), CommitTree)
    entry = HELD[0]

    assert (commit.subject, commit.path, commit.name) == (entry.subject, entry.path, entry.name)
    assert commit.store_url == entry.store_url
    assert commit.taken_at == NOW


def test_what_is_fetched_again_is_damaged_no_more() -> None:
    facts = damaged("a")

    assert repaired(simulate(facts, repaired(facts))).is_empty


def test_trees_are_repaired_side_by_side() -> None:
    facts = damaged("a")
    assert facts.keeping is not None
    (one,) = facts.keeping.damage
    other = attrs.evolve(one, entry=attrs.evolve(one.entry, path="other"))
    both = attrs.evolve(facts, keeping=attrs.evolve(facts.keeping, damage=(other, one)))

    found = repaired(both)

    assert len(found.stages) == 2
    assert len({step.staged for step in steps_of(found, FetchFiles)}) == 2
    assert [step.path for step in steps_of(found, CommitTree)] == ["other", "ranker"]


def test_nothing_damaged_is_nothing_to_do_also_offline() -> None:
    facts = attrs.evolve(of_artifact(HELD), keeping=KeepingFacts(origin_key="server-1"))

    assert repaired(attrs.evolve(facts, settings=SettingsFacts(mode="offline"))).is_empty


def test_offline_damage_is_told_and_not_mended() -> None:
    offline = attrs.evolve(damaged("a", listing=None), settings=SettingsFacts(mode="offline"))

    assert isinstance(plan(RepairCache(), offline).failure(), OfflineMode)


def test_what_its_store_has_no_more_cannot_be_mended() -> None:
    assert isinstance(plan(RepairCache(), damaged("a", listing=listed())).failure(), NotFound)


def test_a_hostile_listing_is_refused() -> None:
    evil = listed(RemoteFile(path="../a", size_bytes=3))

    assert isinstance(plan(RepairCache(), damaged("a", listing=evil)).failure(), IllegalPath)


def test_a_cache_that_cannot_be_written_is_not_repaired() -> None:
    facts = damaged("a")
    assert facts.cache is not None
    unwritable = attrs.evolve(facts, cache=attrs.evolve(facts.cache, is_writable=False))

    assert isinstance(plan(RepairCache(), unwritable).failure(), StoreFailed)
