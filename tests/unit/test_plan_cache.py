"""What the artifact cache answers, reuses, fetches and forgets."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import VersionKey
from mlopus.domain.manifest import RemoteFile
from mlopus.errors import IllegalPath, NotCached, NotFound, OfflineMode, StoreFailed
from mlopus.plans.cache import needed_manifests, needs_listing, needs_store, plan_cache
from mlopus.plans.facts import Facts, SettingsFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Plan, ReceiptAnswer, TreeAnswer
from mlopus.plans.requests import (
    ArtifactOf,
    ArtifactRequest,
    CacheArtifact,
    CleanCachedArtifact,
    GetArtifact,
)
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CachedTree, CacheRows, CommitTree, FetchFiles, StoreTree, WithdrawEntries
from tests.unit.plan_facts import (
    ARTIFACT,
    BEFORE,
    DISK,
    EXP,
    LATER,
    NOW,
    RUN,
    cached,
    listed,
    of_artifact,
    only,
    sha,
    steps_of,
)

CACHE = CacheArtifact(artifact=ARTIFACT)
GET = GetArtifact(artifact=ARTIFACT)
CLEAN = CleanCachedArtifact(artifact=ARTIFACT)


def planned(request: ArtifactRequest, facts: Facts) -> Plan:
    return plan_cache(request, facts).unwrap()


def with_settings(facts: Facts, settings: SettingsFacts) -> Facts:
    return attrs.evolve(facts, settings=settings)


def fetched(facts: Facts) -> list[str]:
    return [file.path for file in only(planned(CACHE, facts), FetchFiles).files]


def tree(plan: Plan) -> CachedTree | StoreTree:
    assert isinstance(plan.answer, TreeAnswer)
    return plan.answer.tree


def test_what_the_cache_lacks_is_fetched_and_committed() -> None:
    plan = planned(CACHE, of_artifact(listing=listed(RemoteFile(path="a"))))
    assert [type(step) for step in plan.steps] == [FetchFiles, CommitTree]
    assert plan.answer == TreeAnswer(tree=CachedTree(tree_key=Pending("tree")))


def test_a_commit_is_of_the_moment_of_the_listing() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a", validator="v1")))
    commit = only(planned(CACHE, attrs.evolve(facts, now=LATER)), CommitTree)
    assert (commit.taken_at, commit.validators) == (NOW, {"a": "v1"})


def test_equal_size_alone_is_never_the_same() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", size_bytes=3)))
    assert fetched(facts) == ["a"]


def test_an_equal_digest_is_the_same() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", sha256=sha("one"))))
    assert planned(CACHE, facts).is_empty


def test_an_equal_validator_is_the_same() -> None:
    held = cached({"a": "one"}, validators={"a": "v1"})
    assert planned(CACHE, of_artifact(held, listing=listed(RemoteFile(path="a", validator="v1")))).is_empty


def test_a_missing_validator_proves_nothing() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", size_bytes=3)))
    assert not planned(CACHE, facts).is_empty


def test_validators_of_another_store_prove_nothing() -> None:
    entry, manifest = cached({"a": "one"}, validators={"a": "v1"})
    moved = (attrs.evolve(entry, store_url="s3://elsewhere/ranker"), manifest)
    assert fetched(of_artifact(moved, listing=listed(RemoteFile(path="a", validator="v1")))) == ["a"]


def test_what_is_proven_is_reused_and_only_the_rest_is_fetched() -> None:
    held = cached({"a": "one", "b": "two"}, validators={"a": "v1", "b": "v2"})
    listing = listed(RemoteFile(path="a", validator="v1"), RemoteFile(path="b", validator="v3"))
    fetch = only(planned(CACHE, of_artifact(held, listing=listing)), FetchFiles)
    assert [file.path for file in fetch.reused] == ["a"]
    assert [file.path for file in fetch.files] == ["b"]


def test_content_that_is_held_under_another_path_is_reused_by_its_digest() -> None:
    held = cached({"old.bin": "one"})
    facts = of_artifact(held, listing=listed(RemoteFile(path="new.bin", sha256=sha("one"))))
    (reused,) = only(planned(CACHE, facts), FetchFiles).reused
    assert (reused.path, reused.path_in_tree) == ("new.bin", "old.bin")


def test_an_entry_below_the_path_proves_its_files() -> None:
    held = cached({"a": "one"}, path="ranker/conf", validators={"a": "v1"})
    facts = of_artifact(held, listing=listed(RemoteFile(path="conf/a", validator="v1")))
    assert [file.path for file in only(planned(CACHE, facts), FetchFiles).reused] == ["conf/a"]


def test_a_file_that_the_store_no_longer_has_makes_another_tree() -> None:
    held = cached({"a": "one", "b": "two"}, validators={"a": "v1", "b": "v2"})
    plan = planned(CACHE, of_artifact(held, listing=listed(RemoteFile(path="a", validator="v1"))))
    assert only(plan, FetchFiles).files == ()
    assert not plan.is_empty


@pytest.mark.parametrize(("taken_at", "is_empty"), [(BEFORE, False), (NOW, True), (LATER, True)])
def test_an_entry_as_new_as_the_listing_stands_where_nothing_tells(taken_at: object, is_empty: bool) -> None:
    held = cached({"a": "one"}, taken_at=taken_at)  # type: ignore[arg-type]  # rows are data
    facts = of_artifact(held, listing=listed(RemoteFile(path="a")))
    assert planned(CACHE, facts).is_empty is is_empty


def test_an_entry_of_the_same_moment_does_not_stand_against_the_listing() -> None:
    held = cached({"a": "one"}, taken_at=NOW)
    assert fetched(of_artifact(held, listing=listed(RemoteFile(path="a", size_bytes=9)))) == ["a"]


def test_caching_what_is_not_there_is_not_found() -> None:
    assert isinstance(plan_cache(CACHE, of_artifact(listing=listed())).failure(), NotFound)


def test_caching_also_caches_the_metadata_that_leads_to_it() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", sha256=sha("one"))))
    facts = attrs.evolve(facts, records=(RUN, EXP), cached_records=(EXP,))
    assert only(planned(CACHE, facts), CacheRows).records == (RUN,)


def test_caching_also_caches_what_the_caller_gave_and_the_metadata_cache_lacks() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", sha256=sha("one"))))
    facts = attrs.evolve(facts, records=(EXP,), uncached=(RUN, EXP))
    plan = planned(CACHE, facts)
    assert only(plan, CacheRows).records == (EXP, RUN)
    assert planned(CACHE, simulate(facts, plan)).is_empty


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a\\b", "C:/x", "a/./b", "a\x00b"])
def test_a_listing_with_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    facts = of_artifact(listing=listed(RemoteFile(path=path)))
    assert isinstance(plan_cache(CACHE, facts).failure(), IllegalPath)


def test_a_listing_with_a_file_that_is_a_folder_is_refused() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a"), RemoteFile(path="a/b")))
    assert isinstance(plan_cache(CACHE, facts).failure(), IllegalPath)


def test_a_cache_that_cannot_be_written_caches_nothing() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a")))
    assert facts.cache is not None
    read_only = attrs.evolve(facts, cache=attrs.evolve(facts.cache, is_writable=False))
    assert isinstance(plan_cache(CACHE, read_only).failure(), StoreFailed)


def test_a_hit_is_an_empty_plan() -> None:
    entry, manifest = cached({"a": "one"})
    plan = planned(GET, of_artifact((entry, manifest)))
    assert plan.is_empty
    assert tree(plan) == CachedTree(tree_key=manifest.key)


def test_an_entry_above_answers_for_a_path_in_it() -> None:
    entry, manifest = cached({"ranker/a": "one"}, path="")
    assert tree(planned(GET, of_artifact((entry, manifest)))) == CachedTree(
        tree_key=manifest.key, path="ranker"
    )


def test_a_part_is_never_taken_for_the_whole() -> None:
    facts = of_artifact(cached({"a": "one"}, path="ranker/conf"))
    assert needs_listing(GET, facts)


def test_the_newest_entry_answers() -> None:
    old = cached({"a": "one"}, taken_at=BEFORE)
    new = cached({"ranker/a": "two"}, path="", taken_at=NOW)
    assert tree(planned(GET, of_artifact(old, new))) == CachedTree(tree_key=new[1].key, path="ranker")


def test_of_two_entries_of_one_moment_the_longer_path_answers() -> None:
    above = cached({"ranker/a": "one"}, path="")
    exact = cached({"a": "two"})
    assert tree(planned(GET, of_artifact(above, exact))) == CachedTree(tree_key=exact[1].key)


def test_what_a_cached_folder_lacks_is_asked_for_online() -> None:
    held = cached({"other/a": "one"}, path="", taken_at=LATER)
    plan = planned(GET, of_artifact(held, listing=listed(RemoteFile(path="a"))))
    assert only(plan, CommitTree).taken_at == LATER


def test_offline_a_miss_says_what_to_call_online() -> None:
    facts = with_settings(of_artifact(), SettingsFacts(mode="offline"))
    error = plan_cache(GET, facts).failure()
    assert isinstance(error, NotCached)
    assert "cache_run_artifact" in str(error.hint)
    assert str(error).startswith(f"artifact '{ARTIFACT.path} of run {RUN.id}' was never cached in ")


def test_offline_a_miss_of_a_version_names_the_versions_verb() -> None:
    facts = with_settings(of_artifact(), SettingsFacts(mode="offline"))
    request = GetArtifact(artifact=ArtifactOf(owner=VersionKey("ranker", "1")))
    assert "cache_model_artifact" in str(plan_cache(request, facts).failure().hint)


def test_offline_cached_and_absent_there_is_another_answer_than_never_cached() -> None:
    held = cached({"other/a": "one"}, path="")
    error = plan_cache(GET, with_settings(of_artifact(held), SettingsFacts(mode="offline"))).failure()
    assert isinstance(error, NotFound)
    assert not isinstance(error, NotCached)


def test_offline_nothing_is_made_current() -> None:
    facts = with_settings(of_artifact(), SettingsFacts(mode="offline"))
    assert isinstance(plan_cache(CACHE, facts).failure(), OfflineMode)


@pytest.mark.parametrize(("scheme", "asks"), [("s3", True), ("mlflow-artifacts", False)])
def test_offline_stores_may_be_asked_if_told_so_but_never_through_the_server(scheme: str, asks: bool) -> None:
    facts = with_settings(of_artifact(), SettingsFacts(mode="offline", pull_offline=True))
    assert facts.store is not None
    facts = attrs.evolve(facts, store=attrs.evolve(facts.store, scheme=scheme))
    assert needs_listing(GET, facts) is asks


def test_a_store_on_this_disk_is_used_in_place() -> None:
    plan = planned(GET, of_artifact(store=DISK, listing=listed(RemoteFile(path="a"))))
    assert plan.is_empty
    assert tree(plan) == StoreTree(store_url=f"{RUN.repo}/ranker")


def test_a_store_on_this_disk_goes_through_the_cache_if_told_so() -> None:
    facts = of_artifact(store=DISK, listing=listed(RemoteFile(path="a")))
    assert not planned(GET, with_settings(facts, SettingsFacts(cache_local_artifacts=True))).is_empty


def test_caching_copies_from_a_store_on_this_disk_too() -> None:
    assert fetched(of_artifact(store=DISK, listing=listed(RemoteFile(path="a")))) == ["a"]


def test_what_is_missing_in_a_store_on_this_disk_is_not_found() -> None:
    assert isinstance(plan_cache(GET, of_artifact(store=DISK, listing=listed())).failure(), NotFound)


def test_a_hit_needs_no_listing_unless_told_to_revalidate() -> None:
    facts = of_artifact(cached({"a": "one"}))
    assert not needs_listing(GET, facts)
    assert needs_listing(GET, with_settings(facts, SettingsFacts(always_pull=True)))


def test_a_hit_that_is_revalidated_and_stale_is_fetched() -> None:
    facts = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", sha256=sha("two"))))
    assert not planned(GET, with_settings(facts, SettingsFacts(always_pull=True))).is_empty


def test_a_hit_on_its_very_path_needs_no_manifest() -> None:
    facts = of_artifact(cached({"a": "one"}))
    assert facts.cache is not None
    facts = attrs.evolve(facts, cache=attrs.evolve(facts.cache, manifests=immutabledict()))
    assert needed_manifests(GET, facts) == ()
    assert planned(GET, facts).is_empty


def test_an_entry_above_needs_its_manifest() -> None:
    held = cached({"ranker/a": "one"}, path="")
    facts = of_artifact(held)
    assert facts.cache is not None
    facts = attrs.evolve(facts, cache=attrs.evolve(facts.cache, manifests=immutabledict()))
    assert needed_manifests(GET, facts) == (held[0].tree_key,)


@pytest.mark.parametrize(("requests_cost", "needed"), [(True, False), (False, True)])
def test_where_files_are_is_asked_first_only_if_that_is_free(requests_cost: bool, needed: bool) -> None:
    facts = of_artifact(cached({"a": "one"}))
    tracking = attrs.evolve(facts.tracking, requests_cost=requests_cost)
    assert needs_store(GET, attrs.evolve(facts, store=None, tracking=tracking)) is needed


def test_cleaning_withdraws_what_overlaps() -> None:
    plan = planned(CLEAN, of_artifact(cached({"ranker/a": "one"}, path="")))
    assert only(plan, WithdrawEntries).path == "ranker"
    assert plan.answer == ReceiptAnswer()


def test_cleaning_what_is_not_cached_is_an_empty_plan() -> None:
    assert planned(CLEAN, of_artifact(cached({"a": "one"}, path="other"))).is_empty


def test_a_fetch_tells_its_bytes_and_requests() -> None:
    listing = listed(RemoteFile(path="a", size_bytes=5), RemoteFile(path="b", size_bytes=7))
    totals = planned(CACHE, of_artifact(listing=listing)).totals
    assert (totals.down_bytes, totals.requests) == (12, 2)


def test_a_plan_that_relies_on_the_cache_names_it() -> None:
    assert planned(GET, of_artifact(cached({"a": "one"}))).cache_id == "cache"


def test_files_are_fetched_in_the_order_of_their_paths() -> None:
    assert fetched(of_artifact(listing=listed(RemoteFile(path="b"), RemoteFile(path="a")))) == ["a", "b"]


def test_reading_caches_metadata_only_when_something_is_fetched() -> None:
    hit = attrs.evolve(of_artifact(cached({"a": "one"})), records=(RUN, EXP))
    miss = attrs.evolve(of_artifact(listing=listed(RemoteFile(path="a"))), records=(RUN, EXP))
    assert steps_of(planned(GET, hit), CacheRows) == []
    assert only(planned(GET, miss), CacheRows).records == (RUN, EXP)
