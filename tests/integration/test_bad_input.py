"""Bad input on every kind of store: a typed error that names the thing and the next step, and no change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

from mlopus import Result, errors
from mlopus.errors import MlopusError
from tests.integration.main_job import Job
from tests.integration.snapshots import state_of

NAIVE = datetime(2024, 4, 1, 9)  # noqa: DTZ001 (naive on purpose)
LONG = "x" * 6001

Call: TypeAlias = Callable[[Job, Path], Result[Any, MlopusError]]


@attrs.frozen(kw_only=True)
class Bad:
    """A call that must fail: with which error, what its text must name, and what its hint."""

    call: Call
    error: type[MlopusError]
    names: tuple[str, ...]
    advises: str


CASES = {
    "a run that is not there": Bad(
        call=lambda job, _: job.api.get_run("0123456789abcdef0123456789abcdef"),
        error=errors.NotFound,
        names=("run", "0123456789abcdef0123456789abcdef"),
        advises="id",
    ),
    "a run that is not there, to be logged to": Bad(
        call=lambda job, _: job.api.log_params("0123456789abcdef0123456789abcdef", {"a": 1}),
        error=errors.NotFound,
        names=("run", "0123456789abcdef0123456789abcdef"),
        advises="id",
    ),
    "a version that is not there": Bad(
        call=lambda job, _: job.api.get_model_version((job.name, 77)),
        error=errors.NotFound,
        names=("model version", "77"),
        advises="find_",
    ),
    "a path in a run that is not there": Bad(
        call=lambda job, _: job.api.cache_run_artifact(job.run_id, "no/such"),
        error=errors.NotFound,
        names=("no/such",),
        advises="list_",
    ),
    "a path that leaves the run, to be read": Bad(
        call=lambda job, _: job.api.get_run_artifact(job.run_id, "../other"),
        error=errors.IllegalPath,
        names=("../other",),
        advises="relative",
    ),
    "a path that leaves the run, to be published to": Bad(
        call=lambda job, _: job.api.log_run_artifact(job.run_id, job.source, "a/../../b"),
        error=errors.IllegalPath,
        names=("a/../../b",),
        advises="relative",
    ),
    "an absolute path in a run": Bad(
        call=lambda job, _: job.api.list_run_artifacts(job.run_id, "/etc/passwd"),
        error=errors.IllegalPath,
        names=("/etc/passwd",),
        advises="relative",
    ),
    "a target that is taken": Bad(
        call=lambda job, target: job.version.place_artifact(occupied(target)),
        error=errors.AlreadyExists,
        names=("target",),
        advises="overwrite=True",
    ),
    "a param that is too long": Bad(
        call=lambda job, _: job.api.log_params(job.run_id, {"fine": 1, "group": {"long": LONG}}),
        error=errors.ValueTooLong,
        names=("param", "group.long", "6,001", "6,000"),
        advises="Shorten",
    ),
    "a tag that is too long": Bad(
        call=lambda job, _: job.api.set_tags_on_run(job.run_id, {"fine": 1, "long": LONG * 2}),
        error=errors.ValueTooLong,
        names=("tag", "long", "12,002"),
        advises="Shorten",
    ),
    "a tag of a version that is too long": Bad(
        call=lambda job, _: job.api.log_model_version(
            job.name, job.run_id, job.source, "other", tags={"long": LONG * 20}
        ),
        error=errors.ValueTooLong,
        names=("tag", "long"),
        advises="Shorten",
    ),
    "a tag with a naive datetime": Bad(
        call=lambda job, _: job.api.set_tags_on_run(job.run_id, {"fine": 1, "at": {"last": NAIVE}}),
        error=errors.InvalidValue,
        names=("tag", "at.last"),
        advises="timezone",
    ),
    "a metric with a naive timestamp": Bad(
        call=lambda job, _: job.api.log_metrics(job.run_id, {"loss": 1.0}, timestamp=NAIVE),
        error=errors.InvalidValue,
        names=("metric", "loss", "time zone"),
        advises="timezone",
    ),
    "a param without a text": Bad(
        call=lambda job, _: job.api.log_params(job.run_id, {"fine": 1, "thing": object()}),
        error=errors.InvalidValue,
        names=("param", "thing", "object"),
        advises="str",
    ),
    "a key that no server takes": Bad(
        call=lambda job, _: job.api.log_metrics(job.run_id, {"fine": 1, "100%": 1.0}),
        error=errors.InvalidValue,
        names=("metric", "100%"),
        advises="another key",
    ),
    "a param with another value": Bad(
        call=lambda job, _: job.api.log_params(job.run_id, {"fresh": 1, "solver": "another"}),
        error=errors.InvalidRequest,
        names=("solver",),
        advises="another key",
    ),
    "a source that is not there": Bad(
        call=lambda job, target: job.api.log_run_artifact(job.run_id, target / "no such source"),
        error=errors.NotFound,
        names=("source", "no such source"),
        advises="path",
    ),
    "a model that is not there": Bad(
        call=lambda job, _: job.api.log_model_version("no such model", job.run_id, job.source),
        error=errors.NotFound,
        names=("model", "no such model"),
        advises="name",
    ),
    "bytes under a registered version": Bad(
        call=lambda job, _: job.api.log_run_artifact(
            job.run_id, job.source / "weights.json", job.name + "/x"
        ),
        error=errors.PathInUse,
        names=("version 1 of model", "main job"),
        advises="another path",
    ),
    "a name that is taken": Bad(
        call=lambda job, _: job.api.create_exp(job.name),
        error=errors.AlreadyExists,
        names=("experiment", "main job"),
        advises="another name",
    ),
    "a link of an unknown kind": Bad(
        call=lambda job, target: job.version.place_artifact(target, link="shortcut"),  # type: ignore[arg-type]
        error=errors.ConflictingOptions,
        names=("link", "shortcut"),
        advises="symlink",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_refused_by_name_with_the_next_step_and_changes_nothing(
    case: Bad, job: Job, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    if case is CASES["a target that is taken"]:
        occupied(target)
    before = state_of(job.api, job.name, job.folder, tmp_path)

    failure = case.call(job, target).failure()

    assert type(failure) is case.error
    assert [name for name in case.names if name not in str(failure)] == []
    assert case.advises in (failure.hint or "")
    assert state_of(job.api, job.name, job.folder, tmp_path) == before


def occupied(target: Path) -> Path:
    """A target that holds something of the user's."""
    target.mkdir(exist_ok=True)
    (target / "mine.txt").write_text("mine")
    return target
