"""The main job, from one test body: in memory, in a folder, and on a real MLflow server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlopus import RunStatus, or_raise
from tests.integration.main_job import METRICS, PARAMS, PURPOSE, RUN_NAME, STAGE, TAGS, Job, predictions
from tests.integration.snapshots import bytes_below


def test_a_run_reads_back_as_it_was_logged(job: Job) -> None:
    run = or_raise(job.api.get_run(job.run_id))

    assert (run.name, run.params, run.metrics) == (RUN_NAME, PARAMS, METRICS)
    assert {key: run.tags[key] for key in (*TAGS, *PURPOSE)} == {**TAGS, **PURPOSE}


def test_values_keep_their_types(job: Job) -> None:
    data = or_raise(job.api.get_run(job.run_id)).params["data"]

    assert isinstance(data, Mapping)
    assert {key: type(value) for key, value in data.items()} == {"path": str, "rows": int, "shuffled": bool}


def test_leaving_the_block_ends_the_run(job: Job) -> None:
    run = or_raise(job.api.get_run(job.run_id))

    assert run.status is RunStatus.FINISHED
    assert run.start_time is not None
    assert run.end_time is not None
    assert run.start_time <= run.end_time


def test_a_handle_that_wrote_holds_what_the_store_holds(job: Job) -> None:
    held = or_raise(job.api.get_run(job.run_id))

    assert (job.written.params, job.written.metrics, job.written.tags) == (
        held.params,
        held.metrics,
        held.tags,
    )


def test_a_version_knows_where_it_came_from(job: Job) -> None:
    version = or_raise(job.api.get_model_version((job.name, 1)))

    assert version.run is not None
    assert (version.run.id, version.run.exp.name, version.path_in_run) == (job.run_id, job.name, job.name)
    assert version.tags["stage"] == STAGE["stage"]


def test_a_registered_versions_handle_holds_what_the_store_holds(job: Job) -> None:
    held = or_raise(job.api.get_model_version((job.name, 1)))

    assert (job.version.source, job.version.tags, job.version.created_at) == (
        held.source,
        held.tags,
        held.created_at,
    )


def test_what_was_published_is_listed(job: Job) -> None:
    listed = or_raise(job.version.list_artifacts(recursive=True))

    files = {entry.path: entry.size_bytes for entry in listed if not entry.is_dir}
    published = {path: (job.source / path).stat().st_size for path in bytes_below(job.source)}
    assert files == published


def test_offline_a_query_finds_the_run(job: Job) -> None:
    query = {
        "exp.name": job.name,
        "params.data.rows": {"$gt": 1000},
        "metrics.fit.loss": {"$lt": 0.2},
        "tags.team.name": {"$regex": "^Gr"},
    }

    (found,) = or_raise(job.offline.find_runs(query).all())

    assert (found.id, found.params) == (job.run_id, PARAMS)


def test_offline_a_query_finds_the_version(job: Job) -> None:
    query = {"model.name": job.name, "version": 1, "run.id": job.run_id, "tags.stage": STAGE["stage"]}

    found = or_raise(job.offline.find_model_versions(query).first())

    assert found == or_raise(job.api.get_model_version((job.name, 1)))


def test_what_the_cache_answers_says_when_it_was_taken(job: Job) -> None:
    assert or_raise(job.api.get_run(job.run_id)).as_of is None
    assert or_raise(job.offline.get_run(job.run_id)).as_of is not None


def test_offline_the_model_is_placed_by_links_to_the_published_bytes(job: Job, tmp_path: Path) -> None:
    version = or_raise(job.offline.get_model_version(f"models:/{job.name}/1"))

    placed = or_raise(version.place_artifact(tmp_path / "deep" / "placed"))

    assert placed == tmp_path / "deep" / "placed"
    assert bytes_below(placed) == bytes_below(job.source)
    assert (placed / "weights.json").is_symlink()
    assert not (placed / "data").is_symlink()


def test_offline_the_model_is_loaded(job: Job) -> None:
    predicted = or_raise(job.offline.load_model_artifact((job.name, 1), predictions))

    assert predicted == predictions(job.source)


def test_offline_a_part_of_a_cached_artifact_is_read(job: Job) -> None:
    with or_raise(job.offline.open_artifact(job.run_id, f"{job.name}/data/noise.bin")) as noise:
        assert noise.read() == (job.source / "data" / "noise.bin").read_bytes()


def test_publishing_leaves_the_source_as_it_was(job: Job) -> None:
    assert (job.source / "weights.json").is_file()
    assert not (job.source / "weights.json").is_symlink()
