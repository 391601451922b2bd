"""Tables of files, bindings and symbols: what plans are made of."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.manifest import Manifest, ManifestFile, RemoteFile
from mlopus.domain.records import RunRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.bindings import bindings_of
from mlopus.plans.changes import CreateRun, UpdateRun
from mlopus.plans.outcomes import Committed, Outcome, Recorded, Transferred
from mlopus.plans.planner import plan
from mlopus.plans.requests import CacheArtifact, CreateRunIn, SetRunStatus
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CommitTree, FetchFiles, Step, UploadFiles
from mlopus.plans.symbols import learned
from mlopus.plans.tables import folders_of, path_fault, still_empty, table_fault
from tests.unit.plan_facts import ARTIFACT, FACTS, NOW, RUN, listed, of_artifact

NEW_RUN = CreateRun(
    exp_id="1", name="r", tags=immutabledict(), status=RunStatus.RUNNING, start_time=NOW, operation_id="op"
)
UPLOAD = UploadFiles(
    store_url="s3://bucket",
    files=(),
    kept=(RemoteFile(path="k", validator="v1"), RemoteFile(path="blind")),
    left=(RemoteFile(path="l", validator="v2"),),
    empty_folders=(),
    is_file=False,
    move=False,
    binds="uploaded",
)


@pytest.mark.parametrize(
    "path", ["", "a", "a/b.txt", ".hidden", "a/..b", "é/ü", "a b", "ab:c", "...", "a/.x/b"]
)
def test_a_plain_path_has_no_fault(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/a",
            "a//b",
            "a/",
            "..",
            ".",
            "a/..",
            "./a",
            "a/./b",
            "a\\b",
            "C:/a",
            "c:",
            "a\nb",
            "\x00",
            "\x7f",
        ),
        "/".join("d" * 101),
    ],
)
def test_a_path_that_is_not_plain_has_one(path: str) -> None:
    assert path_fault(path) is not None


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (("a", "a"), ()),
        (("a", "a/b"), ()),
        (("", "a"), ()),
        (("a",), ("a",)),
        (("a",), ("a/b",)),
        (("../a",), ()),
    ],
)
def test_a_table_that_no_folder_can_hold_has_a_fault(
    files: tuple[str, ...], folders: tuple[str, ...]
) -> None:
    assert table_fault(files, folders) is not None


def test_a_table_of_files_and_folders_has_none() -> None:
    assert table_fault(("a", "b/c", "b/d"), ("e", "b/f")) is None


def test_a_tree_has_the_folders_above_its_files_and_those_that_are_empty() -> None:
    assert folders_of(("a/b/c", "d"), ("e/f",)) == {"", "a", "a/b", "e", "e/f"}


def test_a_folder_stays_empty_until_something_is_in_it() -> None:
    assert still_empty(("a", "b", "c", "c/d"), ("a/x", "y")) == ("b", "c/d")


@pytest.mark.parametrize(
    ("step", "outcome", "bound"),
    [
        (NEW_RUN, Recorded(record=RUN), {"run": RUN}),
        (UpdateRun(run_id="r"), Recorded(), {}),
        (
            UPLOAD,
            Transferred(file_count=1, total_bytes=1, validators=immutabledict({"n": "v3"})),
            {"uploaded": {"k": "v1", "l": "v2", "n": "v3"}},
        ),
    ],
)
def test_a_step_binds_what_later_stages_name(
    step: Step, outcome: Outcome, bound: dict[str, RunRecord | dict[str, str]]
) -> None:
    assert bindings_of(step, outcome) == bound


def test_a_commit_binds_the_key_of_its_tree() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a")))
    (commit,) = (
        s for s in plan(CacheArtifact(artifact=ARTIFACT), facts).unwrap().steps if isinstance(s, CommitTree)
    )
    manifest = Manifest(name="ranker", is_file=False)
    assert bindings_of(commit, Committed(tree_key="k", manifest=manifest)) == {"tree": "k"}


def test_what_a_receipt_tells_replaces_symbols() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a")))
    found = plan(CacheArtifact(artifact=ARTIFACT), facts).unwrap()
    real = Manifest.of("ranker", (ManifestFile(path="a", size_bytes=3, sha256="real"),), is_file=False)
    outcomes = {
        FetchFiles: Transferred(file_count=1, total_bytes=3),
        CommitTree: Committed(tree_key=real.key, manifest=real),
    }
    told = learned([(step, outcomes[type(step)]) for step in found.steps])
    cache = simulate(facts, found, told).cache
    assert cache is not None
    assert cache.manifests == {real.key: real}


def test_simulation_creates_once_for_one_operation() -> None:
    request = CreateRunIn(
        exp=ExperimentKey("1"),
        name="r",
        tags=immutabledict(),
        repo=None,
        parent=None,
        start=True,
        operation_id="op",
    )
    found = plan(request, FACTS).unwrap()
    assert len(simulate(simulate(FACTS, found), found).records) == 1


def test_simulation_lets_the_cached_record_follow() -> None:
    facts = attrs.evolve(FACTS, records=(RUN,), cached_records=(RUN,))
    found = plan(SetRunStatus(run=RunKey(RUN.id), status=RunStatus.FAILED), facts).unwrap()
    (cached,) = simulate(facts, found).cached_records
    assert isinstance(cached, RunRecord)
    assert cached.status is RunStatus.FAILED
