"""Operations on experiments."""

from __future__ import annotations

from collections.abc import Mapping

from mlopus.domain.records import ExperimentRecord
from mlopus.domain.status import View
from mlopus.plans.search import Page
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import API, HttpRequest, Named, WrongShape, json_text
from mlopus.wire.mlflow.pages import VIEWS, PageRequest, page_from_reply, record_from_reply
from mlopus.wire.mlflow.shapes import members, moment, pairs, pairs_json, text

MAX_PAGE = 50_000


def create_experiment_request(
    name: str, tags: Mapping[str, str], artifact_location: str | None
) -> HttpRequest:
    """Create an experiment. Names are unique; who created what has a name, its tags tell."""
    body = {"name": name, "tags": pairs_json(tags), "artifact_location": artifact_location}
    return HttpRequest(
        name="experiments/create",
        method="POST",
        path=f"{API}/experiments/create",
        body=json_text(body),
        replay_safe=False,
        taken=Named("experiment", name),
    )


def create_experiment_from_reply(reply: object) -> Result[str, WrongShape]:
    """The new experiment's id."""
    exp_id = text(members(reply).get("experiment_id"))
    return Success(exp_id) if exp_id else Failure(WrongShape("there is no 'experiment_id' in it"))


def get_experiment_request(exp_id: str) -> HttpRequest:
    """Get an experiment by its id."""
    return HttpRequest(
        name="experiments/get",
        method="GET",
        path=f"{API}/experiments/get",
        query=(("experiment_id", exp_id),),
        replay_safe=True,
        missing=Named("experiment", exp_id),
        is_lookup=True,
    )


def get_experiment_by_name_request(name: str) -> HttpRequest:
    """Get an experiment by its name; deleted ones too, for they keep their names."""
    return HttpRequest(
        name="experiments/get-by-name",
        method="GET",
        path=f"{API}/experiments/get-by-name",
        query=(("experiment_name", name),),
        replay_safe=True,
        missing=Named("experiment", name),
        is_lookup=True,
    )


def get_experiment_from_reply(reply: object) -> Result[ExperimentRecord, WrongShape]:
    """The experiment, asked for by id or by name."""
    return record_from_reply(reply, "experiment", experiment_from_json)


def search_experiments_request(page: PageRequest, view: View) -> HttpRequest:
    """Ask for one page of experiments."""
    body = {
        "filter": page.filter or None,
        "order_by": list(page.order_by) or None,
        "view_type": VIEWS[view],
        "max_results": min(page.page_size, MAX_PAGE),
        "page_token": page.token,
    }
    return HttpRequest(
        name="experiments/search",
        method="POST",
        path=f"{API}/experiments/search",
        body=json_text(body),
        replay_safe=True,
    )


def search_experiments_from_reply(reply: object) -> Result[Page, WrongShape]:
    """The page."""
    return page_from_reply(reply, "experiments", experiment_from_json)


def set_experiment_tag_request(exp_id: str, key: str, value: str) -> HttpRequest:
    """Set one tag of an experiment."""
    return HttpRequest(
        name="experiments/set-experiment-tag",
        method="POST",
        path=f"{API}/experiments/set-experiment-tag",
        body=json_text({"experiment_id": exp_id, "key": key, "value": value}),
        replay_safe=True,
        missing=Named("experiment", exp_id),
    )


def experiment_from_json(value: object) -> ExperimentRecord | None:
    """The experiment that a JSON object describes; None if it has no id."""
    found = members(value)
    exp_id = text(found.get("experiment_id"))
    if not exp_id:
        return None
    return ExperimentRecord(
        id=exp_id,
        name=text(found.get("name")),
        tags=pairs(found.get("tags")),
        lifecycle_stage="deleted" if found.get("lifecycle_stage") == "deleted" else "active",
        artifact_location=text(found.get("artifact_location")) or None,
        created_at=moment(found.get("creation_time")),
        updated_at=moment(found.get("last_update_time")),
    )
