"""A cache that mlOpus 1.6.3 made with its own package, on a real server, is imported and read offline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunStatus, errors, or_raise
from mlopus.api.import_reports import ImportReport
from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord, VersionRecord
from tests.integration.snapshots import bytes_below, tree_of
from tests.integration.stores import new_name
from tests.integration.written_once import written_once
from tests.servers.environment import PREDECESSOR, server_python
from tests.servers.mlflow_server import MlflowServer

pytestmark = pytest.mark.server

WRITE = """
import datetime, mlflow, mlopus, os
uri = os.environ["MLFLOW_TRACKING_URI"]
api = mlopus.mlflow.get_api(
    conf={"tracking_uri": uri, "cache_dir": folder + "/cache", "cache_local_artifacts": True}
)

def write(path):
    (path / "sub").mkdir(parents=True)
    (path / "weights.bin").write_bytes(bytes(range(256)))
    (path / "sub" / "Größe.txt").write_text("five")

mlflow.MlflowClient(uri).create_experiment(name, artifact_location=f"file://{folder}/exp")
exp = api.get_or_create_exp(name).set_tags({"team": {"name": "search", "size": 5}, "quoted": "it's"})
values = {
    "int": 5, "float": 0.5, "true": True, "none": None, "text": "adam", "digits": "5", "quote": "it's",
    "json": '{"a": 1}', "unicode": "Größe 漢😀", "list": [1, "a", None, 2.5], "nested": {"deep": {"er": 1}},
    "when": datetime.datetime(2024, 4, 1, 11, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
}
run = api.start_run(exp, name="parent", tags={"stage": {"of": "test"}}).log_params(values)
run.set_tags({"given": values})
run.log_metrics({"loss": 0.25, "by": {"set": {"train": 1, "worst": float("inf"), "unknown": float("nan")}}})
child = run.start_child(name="child").end_run(succeeded=False)
model = api.get_or_create_model(name).set_tags({"kind": {"of": ["a", 1]}})
version = run.log_model_version(model, write, path_in_run="models/ranker", tags={"score": {"test": 0.5}})
run.log_artifact(write, path_in_run="data/first")
run.log_artifact(write, path_in_run="data/other")
run.log_artifact(lambda path: path.write_text("a note"), path_in_run="note.txt")
run.end_run()
for entity in (api.get_run(run.id), child, version, exp, model):
    entity.cache_meta()
version.cache_artifact()
run.cache_artifact("data/first")
run.cache_artifact("note.txt")
print(json.dumps({"run_id": run.id, "child_id": child.id}))
"""


@attrs.frozen(kw_only=True)
class Old:
    """What mlOpus 1.x cached: the folder, the name of experiment and model, and the server."""

    name: str
    run_id: str
    child_id: str
    cache: Path
    server: MlflowServer

    def imported(self, into: Path, **options: Any) -> ImportReport:
        """The report of an import."""
        return or_raise(mlopus.import_cache(self.cache, into=into, **options))


def reader(into: Path, **settings: Any) -> MlflowApi:
    """An API of what was imported, and of nothing else."""
    return mlopus.connect(cache_dir=into, offline_mode=True, text_codec="mlopus-1", **settings)


@pytest.fixture(scope="module")
def old(mlflow_server: MlflowServer) -> Old:
    def write() -> dict[str, str]:
        name = new_name().replace(" ", "-")
        predecessor = attrs.evolve(mlflow_server, python=server_python(PREDECESSOR))
        folder = str(mlflow_server.folder / "old-cache")
        return {"name": name, **predecessor.run_mlflow_client(WRITE, name=name, folder=folder)}

    ids = written_once(mlflow_server, "old-cache", write)
    return Old(cache=mlflow_server.folder / "old-cache" / "cache", server=mlflow_server, **ids)


@pytest.fixture
def own_copy(old: Old, tmp_path: Path) -> Old:
    """The same, in a folder that may be spoiled."""
    shutil.copytree(old.cache, tmp_path / "old")
    for path in (tmp_path / "old").rglob("*"):
        path.chmod(0o755)
    return attrs.evolve(old, cache=tmp_path / "old")


def test_everything_is_imported_and_counted(old: Old, tmp_path: Path) -> None:
    report = old.imported(tmp_path)

    assert (report.entities, report.unchanged, report.faults) == (5, 0, ())
    assert {(a.run_id, a.path, a.file_count, a.size_bytes) for a in report.artifacts} == {
        (old.run_id, "models/ranker", 2, 260),
        (old.run_id, "data/first", 2, 260),
        (old.run_id, "note.txt", 1, 6),
    }


def test_what_is_imported_is_what_the_server_holds(old: Old, tmp_path: Path) -> None:
    old.imported(tmp_path, tracking_uri=old.server.uri)
    api = mlopus.connect(old.server.uri, cache_dir=tmp_path)
    run = or_raise(api.repositories.tracking.get(RunKey(old.run_id)))
    assert isinstance(run, RunRecord)
    for key in (RunKey(old.run_id), ExperimentKey(run.exp_id), ModelKey(old.name), VersionKey(old.name, "1")):
        there = or_raise(api.repositories.tracking.get(key))
        here = or_raise(api.repositories.cache.get(key)).record

        assert here == without_what_it_did_not_cache(there)


def without_what_it_did_not_cache(record: Any) -> Any:
    match record:
        case ExperimentRecord():
            return attrs.evolve(record, artifact_location=None, created_at=None, updated_at=None)
        case ModelRecord():
            return attrs.evolve(record, created_at=None, updated_at=None, description=None)
        case VersionRecord():
            return attrs.evolve(record, created_at=None, updated_at=None, description=None)
        case _:
            return record


def test_entities_and_queries_are_answered_offline(old: Old, tmp_path: Path) -> None:
    old.imported(tmp_path)
    api = reader(tmp_path)

    run = or_raise(api.find_runs({"params.text": "adam", "metrics.loss": {"$lt": 1}}).first())
    version = or_raise(api.find_model_versions({"tags.score.test": 0.5}).first())
    children = or_raise(api.find_child_runs(old.run_id).all())

    assert run is not None
    assert version is not None
    assert (run.id, run.exp.name, run.status) == (old.run_id, old.name, RunStatus.FINISHED)
    assert (run.params["digits"], run.params["list"]) == ("5", (1, "a", None, 2.5))
    assert (version.model.name, version.path_in_run, version.run) == (old.name, "models/ranker", run)
    assert [(child.id, child.status) for child in children] == [(old.child_id, RunStatus.FAILED)]
    assert run.as_of is not None


def test_artifacts_are_served_offline_with_their_bytes(old: Old, tmp_path: Path) -> None:
    old.imported(tmp_path)
    api = reader(tmp_path)
    kept = old.cache / "artifacts" / "runs" / old.run_id

    served = or_raise(api.get_model_artifact((old.name, 1)))

    assert bytes_below(served) == bytes_below(kept / "models" / "ranker")
    assert bytes_below(or_raise(api.get_run_artifact(old.run_id, "data/first"))) == bytes_below(
        kept / "data" / "first"
    )
    assert or_raise(api.get_run_artifact(old.run_id, "note.txt")).read_text() == "a note"


@pytest.mark.parametrize("path", ["", "data", "models", "data/other"])
def test_a_part_that_was_cached_is_never_the_whole(old: Old, tmp_path: Path, path: str) -> None:
    old.imported(tmp_path)

    assert isinstance(reader(tmp_path).get_run_artifact(old.run_id, path).failure(), errors.NotCached)


def test_whole_runs_are_taken_as_such_if_told_so(old: Old, tmp_path: Path) -> None:
    report = old.imported(tmp_path, whole_runs=True)

    assert [artifact.path for artifact in report.artifacts] == [""]
    assert (or_raise(reader(tmp_path).get_run_artifact(old.run_id)) / "note.txt").read_text() == "a note"


def test_the_old_cache_stays_as_it_is(old: Old, tmp_path: Path) -> None:
    before = tree_of(old.cache)

    old.imported(tmp_path)

    assert tree_of(old.cache) == before
    assert not (old.cache / "metadata.db").exists()


def test_a_second_import_adds_nothing(old: Old, tmp_path: Path) -> None:
    first = old.imported(tmp_path)
    before = tree_of(tmp_path)

    again = old.imported(tmp_path)

    assert (again.entities, again.artifacts, again.faults) == (0, (), ())
    assert again.unchanged == first.entities + len(first.artifacts)
    assert tree_of(tmp_path) == before


def test_what_the_new_cache_took_later_stays(old: Old, tmp_path: Path) -> None:
    api = mlopus.connect(old.server.uri, cache_dir=tmp_path, cache_local_artifacts=True)
    or_raise(api.cache_run_meta(old.run_id))
    cached = or_raise(api.cache_run_artifact(old.run_id))

    report = old.imported(tmp_path, tracking_uri=old.server.uri)

    assert report.artifacts == ()
    assert or_raise(api.in_offline_mode.get_run_artifact(old.run_id)) == cached


def test_what_cannot_be_read_is_named_and_the_rest_is_imported(own_copy: Old, tmp_path: Path) -> None:
    metadata = own_copy.cache / "metadata"
    (metadata / "run" / "half").write_text('{"id": "half", "name": "x", "exp": {"id": "1"')
    (metadata / "run" / own_copy.child_id).write_text('{"id": "another"}')
    (metadata / "exp" / "7").write_text("[]")
    (metadata / "model" / "binary").write_bytes(b"\xff\xfe")
    (metadata / "mv" / "loose").write_text("{}")
    (own_copy.cache / "artifacts" / "runs" / "loose.txt").write_text("x")
    (own_copy.cache / "artifacts" / "runs" / own_copy.run_id / "gone").symlink_to("/nonexistent")

    report = own_copy.imported(tmp_path / "new")

    named = sorted(Path(path).relative_to(own_copy.cache).as_posix() for path, _ in report.faults)
    assert named == [
        f"artifacts/runs/{own_copy.run_id}/gone",
        "artifacts/runs/loose.txt",
        "metadata/exp/7",
        "metadata/model/binary",
        "metadata/mv/loose",
        f"metadata/run/{own_copy.child_id}",
        "metadata/run/half",
    ]
    assert all(isinstance(error, errors.MlopusError) for _, error in report.faults)
    assert not report.is_complete
    assert (report.entities, len(report.artifacts)) == (4, 3)
    assert or_raise(reader(tmp_path / "new").get_run(own_copy.run_id)).name == "parent"


def test_an_old_cache_given_as_the_cache_is_recognised_and_not_touched(own_copy: Old) -> None:
    before = tree_of(own_copy.cache)
    offline = mlopus.connect(cache_dir=own_copy.cache, offline_mode=True)
    online = mlopus.connect(own_copy.server.uri, cache_dir=own_copy.cache)

    for failure in (
        offline.get_run(own_copy.run_id).failure(),
        offline.find_runs().all().failure(),
        offline.get_run_artifact(own_copy.run_id, "note.txt").failure(),
        online.get_run(own_copy.run_id).failure(),
        online.get_or_create_exp(new_name()).failure(),
        online.cache_run_artifact(own_copy.run_id, "note.txt").failure(),
    ):
        assert isinstance(failure, errors.UnreadableCache)
        assert "import_cache" in (failure.hint or "")
    assert tree_of(own_copy.cache) == before
    assert not (own_copy.cache / "metadata.db").exists()


@pytest.mark.parametrize("place", ["inside", "the same", "around"])
def test_an_import_into_the_old_cache_or_around_it_is_refused(own_copy: Old, place: str) -> None:
    into = {"inside": own_copy.cache / "new", "the same": own_copy.cache, "around": own_copy.cache.parent}
    before = tree_of(own_copy.cache)

    failure = mlopus.import_cache(own_copy.cache, into=into[place]).failure()

    assert isinstance(failure, errors.IllegalPath)
    assert tree_of(own_copy.cache) == before


def test_what_is_no_old_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    assert isinstance(
        mlopus.import_cache(tmp_path / "other", into=tmp_path / "new").failure(), errors.UnreadableCache
    )
    assert isinstance(
        mlopus.import_cache(tmp_path / "gone", into=tmp_path / "new").failure(), errors.StoreFailed
    )
    assert not (tmp_path / "new").exists()


def test_a_cache_of_a_server_takes_nothing_of_an_unnamed_one(own_copy: Old, tmp_path: Path) -> None:
    api = mlopus.connect(own_copy.server.uri, cache_dir=tmp_path / "new")
    or_raise(api.cache_run_meta(own_copy.run_id))

    failure = mlopus.import_cache(own_copy.cache, into=tmp_path / "new").failure()

    assert isinstance(failure, errors.ConflictingOptions)
    assert own_copy.server.uri in str(failure)
