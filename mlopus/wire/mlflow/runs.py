"""Operations on runs, and on what is logged to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.records import RUN_NAME_TAG, Floats, MetricSample, RunRecord
from mlopus.domain.status import RunStatus, View, status_named
from mlopus.plans.changes import LogBatch
from mlopus.plans.search import Page, PageToken
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import API, HttpRequest, Named, WrongShape, json_text
from mlopus.wire.mlflow.pages import VIEWS, PageRequest, page_from_reply, record_from_reply
from mlopus.wire.mlflow.shapes import (
    elements,
    members,
    metric,
    milliseconds,
    moment,
    number_json,
    pairs,
    pairs_json,
    text,
    whole,
)

MAX_PAGE = 50_000
HISTORY_PAGE = 25_000


def create_run_request(
    exp_id: str, name: str | None, start_time: datetime | None, tags: Mapping[str, str]
) -> HttpRequest:
    """Create a run, which is RUNNING whatever is asked. Sent twice, it creates two."""
    body = {
        "experiment_id": exp_id,
        "run_name": name,
        "start_time": None if start_time is None else milliseconds(start_time),
        "tags": pairs_json(tags),
    }
    return HttpRequest(
        name="runs/create",
        method="POST",
        path=f"{API}/runs/create",
        body=json_text(body),
        replay_safe=False,
        missing=Named("experiment", exp_id),
    )


def get_run_request(run_id: str) -> HttpRequest:
    """Get a run; deleted ones too."""
    return HttpRequest(
        name="runs/get",
        method="GET",
        path=f"{API}/runs/get",
        query=(("run_id", run_id),),
        replay_safe=True,
        missing=Named("run", run_id),
        is_lookup=True,
    )


def run_from_reply(reply: object) -> Result[RunRecord, WrongShape]:
    """The run that was created or asked for."""
    return record_from_reply(reply, "run", run_from_json)


def update_run_request(
    run_id: str, status: RunStatus | None, end_time: datetime | None, name: str | None
) -> HttpRequest:
    """Change a run; what is None stays. The reply says nothing that is needed."""
    body = {
        "run_id": run_id,
        "status": None if status is None else status.value,
        "end_time": None if end_time is None else milliseconds(end_time),
        "run_name": name,
    }
    return HttpRequest(
        name="runs/update",
        method="POST",
        path=f"{API}/runs/update",
        body=json_text(body),
        replay_safe=True,
        missing=Named("run", run_id),
    )


def log_batch_request(run_id: str, batch: LogBatch) -> HttpRequest:
    """Log params, points and tags, all or nothing. The reply is empty."""
    body = {
        "run_id": run_id,
        "metrics": [_sample_json(sample) for sample in batch.metrics] or None,
        "params": pairs_json(batch.params) or None,
        "tags": pairs_json(batch.tags) or None,
    }
    return HttpRequest(
        name="runs/log-batch",
        method="POST",
        path=f"{API}/runs/log-batch",
        body=json_text(body),
        replay_safe=batch.may_repeat,
        missing=Named("run", run_id),
    )


def _sample_json(sample: MetricSample) -> dict[str, object]:
    return {
        "key": sample.key,
        "value": number_json(sample.value),
        "timestamp": milliseconds(sample.timestamp),
        "step": sample.step,
    }


def search_runs_request(page: PageRequest, exp_ids: Sequence[str], view: View) -> HttpRequest:
    """Ask for one page of the runs of some experiments."""
    body = {
        "experiment_ids": list(exp_ids),
        "filter": page.filter or None,
        "order_by": list(page.order_by) or None,
        "run_view_type": VIEWS[view],
        "max_results": min(page.page_size, MAX_PAGE),
        "page_token": page.token,
    }
    return HttpRequest(
        name="runs/search",
        method="POST",
        path=f"{API}/runs/search",
        body=json_text(body),
        replay_safe=True,
        missing=Named("experiment", ", ".join(exp_ids)),
    )


def search_runs_from_reply(reply: object) -> Result[Page, WrongShape]:
    """The page."""
    return page_from_reply(reply, "runs", run_from_json)


def metric_history_request(run_id: str, key: str, token: PageToken) -> HttpRequest:
    """Ask for the points of a metric; old servers answer with all of them, whatever is asked."""
    query = (("run_id", run_id), ("metric_key", key), ("max_results", str(HISTORY_PAGE)))
    return HttpRequest(
        name="metrics/get-history",
        method="GET",
        path=f"{API}/metrics/get-history",
        query=(*query, ("page_token", token)) if token else query,
        replay_safe=True,
        missing=Named("run", run_id),
    )


def metric_history_from_reply(reply: object) -> Result[tuple[tuple[MetricPoint, ...], PageToken], WrongShape]:
    """The points in the server's order, and the token of the next page."""
    found = members(reply)
    points: list[MetricPoint] = []
    for element in elements(found.get("metrics")):
        point = members(element)
        value = metric(point.get("value", 0.0))
        if value is None:
            return Failure(WrongShape("a point of the metric has no number"))
        points.append(MetricPoint(value, whole(point.get("step")), moment(point.get("timestamp"))))
    return Success((tuple(points), text(found.get("next_page_token")) or None))


def run_artifacts_request(run_id: str, path: str) -> HttpRequest:
    """Ask what is in a folder of a run's artifacts."""
    return HttpRequest(
        name="artifacts/list",
        method="GET",
        path=f"{API}/artifacts/list",
        query=(("run_id", run_id), ("path", path)) if path else (("run_id", run_id),),
        replay_safe=True,
        missing=Named("run", run_id),
    )


def has_artifacts_from_reply(reply: object) -> Result[bool, WrongShape]:
    """Whether the folder holds anything."""
    return Success(bool(elements(members(reply).get("files"))))


def run_from_json(value: object) -> RunRecord | None:
    """The run that a JSON object describes; None if it has no id."""
    found = members(value)
    info, data = members(found.get("info")), members(found.get("data"))
    run_id = text(info.get("run_id")) or text(info.get("run_uuid"))
    if not run_id:
        return None
    tags = pairs(data.get("tags"))
    return RunRecord(
        id=run_id,
        exp_id=text(info.get("experiment_id")),
        name=text(info.get("run_name")) or tags.get(RUN_NAME_TAG) or None,
        status=status_named(text(info.get("status"))),
        start_time=moment(info.get("start_time")),
        end_time=moment(info.get("end_time")),
        artifact_uri=text(info.get("artifact_uri")),
        params=pairs(data.get("params")),
        metrics=_metrics(data.get("metrics")),
        tags=tags,
        lifecycle_stage="deleted" if info.get("lifecycle_stage") == "deleted" else "active",
        logged_model_ids=_logged_models(found.get("outputs")),
    )


def _metrics(value: object) -> Floats:
    found: dict[str, float] = {}
    for element in elements(value):
        point = members(element)
        number = metric(point.get("value", 0.0))
        if number is not None:
            found[text(point.get("key"))] = number
    return immutabledict(found)


def _logged_models(outputs: object) -> tuple[str, ...]:
    models = elements(members(outputs).get("model_outputs"))
    ids = (text(members(model).get("model_id")) for model in models)
    return tuple(dict.fromkeys(model_id for model_id in ids if model_id))
