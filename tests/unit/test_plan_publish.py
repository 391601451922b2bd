"""What a publish sends, keeps, leaves, removes, registers and caches, in which order."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ModelKey, RunKey
from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.records import VersionRecord
from mlopus.errors import (
    AlreadyExists,
    MlopusError,
    PathInUse,
)
from mlopus.plans.changes import RegisterVersion
from mlopus.plans.facts import Facts, SourceFacts, StoreFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, Plan, ReceiptAnswer
from mlopus.plans.planner import replayable
from mlopus.plans.publish import plan_publish
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishOptions, PublishRequest
from mlopus.plans.steps import (
    CacheRows,
    CommitTree,
    FetchFiles,
    ReflectChange,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    UploadFiles,
    WithdrawEntries,
)
from tests.unit.plan_facts import (
    DISK,
    EXP,
    LATER,
    MODEL,
    RUN,
    S3,
    cached,
    listed,
    of_artifact,
    only,
    sha,
    source,
    steps_of,
)

VERSION = VersionRecord(name="ranker", version="3", source=f"{RUN.repo}/ranker", run_id=RUN.id)
LOG = LogRunArtifact(
    run=RunKey(RUN.id),
    source="./model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    mirror=False,
    overwrite=False,
)
REGISTER = LogModelVersion(
    model=ModelKey("ranker"),
    run=RunKey(RUN.id),
    source="./model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    version=None,
    tags=immutabledict({"n": 1}),
    overwrite=False,
    operation_id="op",
)
TWO = source({"a": "one", "b": "two"})
FILE = source({"": "one"})


def facts(there: SourceFacts = TWO, listing: RemoteTree | None = None, *, store: StoreFacts = S3) -> Facts:
    found = of_artifact(listing=listing or listed(), store=store)
    return attrs.evolve(found, source=there, records=(MODEL, RUN, EXP))


def planned(request: PublishRequest, given: Facts) -> Plan:
    return plan_publish(request, given).unwrap()


def refused(request: PublishRequest, given: Facts) -> MlopusError:
    return plan_publish(request, given).failure()


def reasons(given: Facts) -> dict[str, str]:
    return {u.file.path: u.reason for u in only(planned(LOG, given), UploadFiles).files}


def with_options(request: PublishRequest, **options: bool) -> PublishRequest:
    return attrs.evolve(request, options=PublishOptions(**options))


def test_a_new_path_is_sent_then_cached() -> None:
    kinds = [[type(step) for step in stage] for stage in planned(LOG, facts()).stages]
    assert kinds == [[WithdrawEntries], [UploadFiles], [StageFiles], [CommitTree]]


def test_a_version_is_registered_after_all_bytes_and_before_the_cache() -> None:
    kinds = [[type(step) for step in stage] for stage in planned(REGISTER, facts()).stages]
    assert kinds == [
        [WithdrawEntries],
        [UploadFiles],
        [RegisterVersion],
        [ReflectChange, StageFiles],
        [CommitTree],
    ]


def test_a_version_names_its_bytes_its_run_and_its_operation() -> None:
    step = only(planned(REGISTER, facts()), RegisterVersion)
    assert (step.source, step.run_id) == (f"{RUN.repo}/ranker", RUN.id)
    assert step.tags == {"n": "1", "mlopus.op": "op"}


def test_a_version_is_answered_with_its_parents() -> None:
    expected = EntityAnswer(record=Pending("version"), parents=(MODEL, RUN, EXP))
    assert planned(REGISTER, facts()).answer == expected


def test_what_leads_to_what_is_cached_is_cached_with_it() -> None:
    given = attrs.evolve(facts(), uncached=(RUN, EXP))
    assert only(planned(LOG, given), CacheRows).records == (RUN, EXP)
    assert steps_of(planned(with_options(LOG, use_cache=False), given), CacheRows) == []


def test_a_run_artifact_is_answered_by_its_receipt() -> None:
    assert planned(LOG, facts()).answer == ReceiptAnswer()


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (RemoteFile(path="a", sha256=sha("two")), "changed"),
        (RemoteFile(path="a", size_bytes=9), "changed"),
        (RemoteFile(path="a", size_bytes=3), "unproven"),
        (RemoteFile(path="a", validator="v1"), "unproven"),
        (RemoteFile(path="z"), "new"),
    ],
)
def test_what_is_not_proven_to_be_there_is_sent_and_says_why(there: RemoteFile, reason: str) -> None:
    assert reasons(facts(source({"a": "one"}), listed(there))) == {"a": reason}


def test_an_equal_digest_keeps_a_file() -> None:
    there = RemoteFile(path="a", sha256=sha("one"))
    assert only(planned(LOG, facts(listing=listed(there))), UploadFiles).kept == (there,)


def test_the_record_of_our_own_upload_keeps_a_file_whose_validator_is_unchanged() -> None:
    there = RemoteFile(path="a", validator="v1")
    held = of_artifact(cached({"a": "one"}, validators={"a": "v1"}), listing=listed(there))
    given = attrs.evolve(held, source=source({"a": "one", "b": "two"}))
    assert reasons(given) == {"b": "new"}


def test_a_changed_validator_after_our_upload_is_a_change() -> None:
    there = RemoteFile(path="a", validator="v2", size_bytes=3)
    held = of_artifact(cached({"a": "one"}, validators={"a": "v1"}), listing=listed(there))
    assert reasons(attrs.evolve(held, source=source({"a": "one"}))) == {"a": "unproven"}


def test_what_the_source_lacks_is_left_and_named() -> None:
    there = RemoteFile(path="old", size_bytes=1)
    upload = only(planned(LOG, facts(listing=listed(there))), UploadFiles)
    assert upload.left == (there,)


def test_a_mirror_removes_what_the_source_lacks_after_the_upload() -> None:
    there = RemoteFile(path="old", size_bytes=1)
    plan = planned(attrs.evolve(LOG, mirror=True), facts(listing=listed(there)))
    kinds = [type(step) for step in plan.steps]
    assert only(plan, RemoveRemoteFiles).files == (there,)
    assert kinds.index(RemoveRemoteFiles) > kinds.index(UploadFiles)
    assert plan.totals.removed_files == 1


@pytest.mark.parametrize(("there", "path"), [("a/deep", "a/deep"), ("c", "c")])
def test_a_file_in_the_place_of_a_folder_is_a_conflict(there: str, path: str) -> None:
    given = facts(source({"a": "one", "c/d": "two"}), listed(RemoteFile(path=there)))
    error = refused(LOG, given)
    assert isinstance(error, AlreadyExists)
    assert error.key == f"ranker/{path}"


def test_a_mirror_removes_what_is_in_the_way_before_the_upload() -> None:
    given = facts(listing=listed(RemoteFile(path="a/deep")))
    kinds = [type(step) for step in planned(attrs.evolve(LOG, mirror=True), given).steps]
    assert kinds.index(RemoveRemoteFiles) < kinds.index(UploadFiles)


@pytest.mark.parametrize("path", ["ranker", "ranker/a", ""])
def test_bytes_of_a_registered_version_are_not_changed(path: str) -> None:
    given = attrs.evolve(facts(), versions_of_run=((VERSION, path),))
    error = refused(LOG, given)
    assert isinstance(error, PathInUse)
    assert error.used_by == "version 3 of model 'ranker'"


def test_a_version_beside_the_published_path_is_not_in_use() -> None:
    given = attrs.evolve(facts(), versions_of_run=((VERSION, "ranker-2"), (VERSION, "ranker/z")))
    assert not planned(LOG, given).is_empty


def test_equal_bytes_may_be_registered_again() -> None:
    there = RemoteFile(path="a", sha256=sha("one"))
    given = attrs.evolve(facts(source({"a": "one"}), listed(there)), versions_of_run=((VERSION, "ranker"),))
    assert only(planned(REGISTER, given), UploadFiles).files == ()


@pytest.mark.parametrize("request_", [LOG, REGISTER])
def test_a_version_may_be_overwritten_if_told_so(request_: PublishRequest) -> None:
    given = attrs.evolve(facts(), versions_of_run=((VERSION, "ranker"),))
    assert not planned(attrs.evolve(request_, overwrite=True), given).is_empty


def test_a_mirror_removes_no_bytes_of_a_registered_version() -> None:
    there = (RemoteFile(path="a", sha256=sha("one")), RemoteFile(path="old/x"))
    given = attrs.evolve(
        facts(source({"a": "one"}), listed(*there)), versions_of_run=((VERSION, "ranker/old"),)
    )
    assert isinstance(refused(attrs.evolve(LOG, mirror=True), given), PathInUse)


def test_what_this_operation_has_registered_is_not_registered_again() -> None:
    mine = attrs.evolve(VERSION, tags=immutabledict({"mlopus.op": "op"}))
    plan = planned(REGISTER, attrs.evolve(facts(), versions_of_run=((mine, "ranker"),)))
    assert steps_of(plan, RegisterVersion) == []
    assert steps_of(plan, UploadFiles) == []
    assert plan.answer == EntityAnswer(record=mine, parents=(MODEL, RUN, EXP))


def test_a_registration_that_may_have_been_made_looks_first() -> None:
    again = replayable(planned(REGISTER, facts()), facts())
    assert only(again, RegisterVersion).may_exist


def test_the_cached_tree_is_the_path_in_the_run_as_the_store_says_of_it() -> None:
    commit = only(planned(LOG, attrs.evolve(facts(), now=LATER)), CommitTree)
    assert (commit.path, commit.name, commit.store_url) == ("ranker", "ranker", f"{RUN.repo}/ranker")
    assert (commit.validators, commit.taken_at) == (Pending("uploaded"), LATER)


def test_a_part_is_not_cached_as_the_whole() -> None:
    given = facts(listing=listed(RemoteFile(path="old", size_bytes=1)))
    assert steps_of(planned(LOG, given), CommitTree) == []


def test_what_is_left_and_held_already_is_cached_with_the_rest() -> None:
    there = RemoteFile(path="old", validator="v1")
    held = of_artifact(cached({"old": "old"}, validators={"old": "v1"}), listing=listed(there))
    fetch = only(planned(LOG, attrs.evolve(held, source=TWO)), FetchFiles)
    assert [file.path for file in fetch.reused] == ["old"]
    assert fetch.files == ()


def test_what_is_left_is_fetched_for_whoever_insists_on_the_cache() -> None:
    there = RemoteFile(path="old", size_bytes=1)
    plan = planned(with_options(LOG, use_cache=True), facts(listing=listed(there)))
    assert only(plan, FetchFiles).files == (there,)


def test_publishing_again_what_is_there_and_cached_is_an_empty_plan() -> None:
    there = RemoteFile(path="a", sha256=sha("one"))
    held = of_artifact(cached({"a": "one"}), listing=listed(there))
    assert planned(LOG, attrs.evolve(held, source=source({"a": "one"}))).is_empty


def test_a_local_store_is_not_cached() -> None:
    assert steps_of(planned(LOG, facts(store=DISK)), StageFiles) == []


def test_a_path_that_is_not_kept_goes_last() -> None:
    plan = planned(with_options(LOG, keep_the_source=False, use_cache=False), facts())
    assert plan.steps[-1] == RemoveFiles(root="source", files=TWO.files, empty_folders=(), is_file=False)
    assert plan.totals.removed_files == 2


def test_what_moves_into_the_cache_is_not_counted_as_removed() -> None:
    plan = planned(with_options(LOG, keep_the_source=False), facts())
    assert only(plan, StageFiles).ladder == "move"
    assert plan.totals.removed_files == 0


def test_a_source_moves_into_a_local_store() -> None:
    plan = planned(with_options(LOG, keep_the_source=False), facts(store=DISK))
    assert only(plan, UploadFiles).move


def test_no_source_moves_before_its_version_is_registered() -> None:
    plan = planned(with_options(REGISTER, keep_the_source=False), facts(store=DISK))
    kinds = [type(step) for step in plan.steps]
    assert not only(plan, UploadFiles).move
    assert kinds.index(RemoveFiles) > kinds.index(RegisterVersion)


def test_what_moves_into_a_local_store_is_staged_for_the_cache_before() -> None:
    plan = planned(with_options(LOG, keep_the_source=False, use_cache=True), facts(store=DISK))
    kinds = [type(step) for step in plan.steps]
    assert kinds.index(StageFiles) < kinds.index(UploadFiles)


def test_links_that_leave_the_source_are_sent_as_content_and_named() -> None:
    given = facts(source({"a": "one"}, links_leaving=("a",)))
    assert only(planned(LOG, given), UploadFiles).through_links == ("a",)


def test_a_single_file_is_sent_as_a_file() -> None:
    upload = only(planned(LOG, facts(FILE)), UploadFiles)
    assert upload.is_file
    assert [u.file.path for u in upload.files] == [""]


def test_totals_tell_bytes_and_requests() -> None:
    totals = planned(REGISTER, facts()).totals
    assert (totals.up_bytes, totals.requests) == (6, 3)


def test_empty_folders_are_made_where_disks_keep_them() -> None:
    there = attrs.evolve(TWO, empty_folders=("logs",))
    assert only(planned(LOG, facts(there, store=DISK)), UploadFiles).empty_folders == ("logs",)
    assert only(planned(LOG, facts(there)), UploadFiles).empty_folders == ()
