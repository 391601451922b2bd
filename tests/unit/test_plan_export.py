"""What an export carries, what it leaves as it is, and which folders it refuses."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey, key_of
from mlopus.domain.manifest import Entry, Manifest, RemoteFile
from mlopus.domain.records import CachedRecord, Record, VersionRecord
from mlopus.errors import IllegalPath, NotCached, NotFound, StoreFailed
from mlopus.plans.export import plan_export
from mlopus.plans.facts import CacheFacts, ExportFacts, Facts, FolderFacts, ProtectedRoot, SettingsFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, ExportedAnswer, Plan
from mlopus.plans.requests import ExportArtifact, ExportMeta
from mlopus.plans.steps import CachedTree, CommitTree, ExportRows, ExportTree, FetchFiles, StoreTree
from tests.unit.plan_facts import (
    ARTIFACT,
    BEFORE,
    DISK,
    EXP,
    LATER,
    MODEL,
    NOW,
    RUN,
    cached,
    listed,
    of_artifact,
    only,
    steps_of,
)

TARGET = "/home/user/carried"
VERSION = VersionRecord(name="ranker", version="1", source=f"{RUN.repo}/ranker", run_id=RUN.id)
HELD = cached({"a": "one", "sub/b": "two"}, validators={"a": "e1", "sub/b": "e2"})
HIT = of_artifact(HELD)
ASKED = ExportArtifact(artifact=ARTIFACT, target=TARGET)


def rows(*records: Record, as_of: object = NOW) -> tuple[CachedRecord, ...]:
    return tuple(CachedRecord(record=record, as_of=as_of) for record in records)  # type: ignore[arg-type]


CACHE = FolderFacts(path=TARGET, cache_id="carried", is_cache=True)
RUN_ROWS = rows(RUN, EXP)


def into(
    *held: tuple[Entry, Manifest],
    facts: Facts = HIT,
    folder: FolderFacts = CACHE,
    carry: tuple[CachedRecord, ...] = RUN_ROWS,
    known: tuple[CachedRecord, ...] = (),
) -> Facts:
    """Facts with a folder to export into, and what it holds."""
    cache = CacheFacts(
        cache_id=folder.cache_id,
        entries=tuple(entry for entry, _ in held),
        manifests=immutabledict({entry.tree_key: manifest for entry, manifest in held}),
    )
    return attrs.evolve(facts, export=ExportFacts(folder=folder, rows=carry, held=known, cache=cache))


def planned(facts: Facts, request: ExportArtifact | ExportMeta = ASKED) -> Plan:
    return plan_export(request, facts).unwrap()


def test_a_cached_tree_is_copied_with_what_its_entry_says() -> None:
    step = only(planned(into()), ExportTree)

    assert step.tree == CachedTree(tree_key=HELD[1].key)
    assert [file.path for file in step.files] == ["a", "sub/b"]
    assert (step.commit.path, step.commit.taken_at, step.commit.store_url) == (
        "ranker",
        BEFORE,
        f"{RUN.repo}/ranker",
    )
    assert step.commit.validators == {"a": "e1", "sub/b": "e2"}


def test_a_part_of_a_cached_tree_is_committed_as_that_part() -> None:
    facts = of_artifact(HELD, path="ranker/sub")
    asked = attrs.evolve(ASKED, artifact=attrs.evolve(ARTIFACT, path="ranker/sub"))

    step = only(planned(into(facts=facts), asked), ExportTree)

    assert [file.path for file in step.files] == ["b"]
    assert (step.commit.path, step.commit.name, step.commit.validators) == ("ranker/sub", "sub", {"b": "e2"})
    assert step.commit.store_url == f"{RUN.repo}/ranker/sub"


def test_what_is_not_cached_is_fetched_first() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a", size_bytes=3, validator="e1")))

    plan = planned(into(facts=facts))

    assert [type(step) for step in plan.steps] == [FetchFiles, CommitTree, ExportTree, ExportRows]
    assert only(plan, ExportTree).tree == CachedTree(tree_key=Pending("tree"))


def test_files_of_a_store_on_this_disk_are_copied_from_there() -> None:
    facts = of_artifact(store=DISK, listing=listed(RemoteFile(path="a", size_bytes=3, validator="e1")))

    plan = planned(into(facts=facts))

    assert [type(step) for step in plan.steps] == [ExportTree, ExportRows]
    assert only(plan, ExportTree).tree == StoreTree(store_url=f"{RUN.repo}/ranker")


def test_the_answer_is_the_tree_in_the_folder() -> None:
    assert planned(into()).answer == ExportedAnswer(tree=CachedTree(tree_key=Pending("exported")))
    assert planned(into()).roots == {"target": TARGET}


def test_equal_content_that_the_folder_holds_is_not_copied_again() -> None:
    there = cached({"ranker/a": "one", "ranker/sub/b": "two"}, path="")

    plan = planned(into(there, known=rows(RUN, EXP)))

    assert plan.is_empty
    assert plan.answer == ExportedAnswer(tree=CachedTree(tree_key=there[1].key, path="ranker"))


def test_an_older_picture_in_the_folder_is_replaced() -> None:
    there = cached({"a": "old"}, taken_at=BEFORE)

    assert steps_of(planned(into(there)), ExportTree)


def test_a_later_picture_in_the_folder_stays() -> None:
    there = cached({"a": "new"}, taken_at=LATER)

    plan = planned(into(there))

    assert steps_of(plan, ExportTree) == []
    assert plan.answer == ExportedAnswer(tree=CachedTree(tree_key=there[1].key))


def test_what_a_later_picture_lacks_is_not_found_in_the_folder() -> None:
    there = cached({"other/a": "new"}, path="", taken_at=LATER)

    failure = plan_export(ASKED, into(there)).failure()

    assert isinstance(failure, NotFound)
    assert TARGET in str(failure)


def test_parents_are_written_before_what_names_them() -> None:
    facts = into(carry=rows(VERSION, MODEL, RUN, EXP))

    written = only(planned(facts), ExportRows).rows

    assert [type(key_of(row.record)) for row in written] == [ExperimentKey, RunKey, ModelKey, VersionKey]


def test_an_entity_that_the_folder_has_as_it_is_or_later_is_not_written() -> None:
    newer = rows(attrs.evolve(RUN, name="renamed"), as_of=LATER)

    plan = planned(into(HELD, known=(*newer, *rows(EXP, as_of=BEFORE))))

    assert plan.is_empty


def test_metadata_alone_answers_the_entity_as_it_was_taken() -> None:
    facts = into(carry=rows(VERSION, MODEL, as_of=BEFORE))
    export = facts.export
    assert export is not None
    facts = attrs.evolve(facts, export=attrs.evolve(export, as_of=BEFORE))

    plan = planned(facts, ExportMeta(key=AliasKey("ranker", "best"), target=TARGET))

    assert plan.answer == EntityAnswer(record=VERSION, parents=(MODEL,), as_of=BEFORE)
    assert [type(step) for step in plan.steps] == [ExportRows]


def test_offline_what_is_not_cached_cannot_be_exported() -> None:
    facts = attrs.evolve(of_artifact(), settings=SettingsFacts(mode="offline"))

    assert isinstance(plan_export(ASKED, into(facts=facts)).failure(), NotCached)


@pytest.mark.parametrize("path", [f"{TARGET}/inside", TARGET, "/home/user"])
@pytest.mark.parametrize("kind", ["cache", "store"])
def test_a_folder_inside_or_around_the_cache_or_a_store_is_refused(path: str, kind: str) -> None:
    root = ProtectedRoot(path=path, kind="cache" if kind == "cache" else "store")
    facts = attrs.evolve(into(), protected=(root,))

    failure = plan_export(ASKED, facts).failure()

    assert isinstance(failure, IllegalPath)
    assert path in str(failure)


def test_a_folder_that_holds_something_else_is_refused_by_name() -> None:
    folder = FolderFacts(path=TARGET, cache_id="carried", others=("notes.txt", "a.csv"))

    failure = plan_export(ASKED, into(folder=folder)).failure()

    assert isinstance(failure, IllegalPath)
    assert "a.csv, notes.txt" in str(failure)


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    folder = FolderFacts(path=TARGET, cache_id="carried", is_cache=True, is_writable=False)

    failure = plan_export(ASKED, into(folder=folder)).failure()

    assert isinstance(failure, StoreFailed)
    assert "export" in str(failure)


def test_a_folder_that_is_no_cache_yet_may_become_one_until_the_plan_is_executed() -> None:
    folder = FolderFacts(path=TARGET, cache_id="carried")

    assert only(planned(into(folder=folder)), ExportTree).into is None
    assert only(planned(into()), ExportTree).into == "carried"
