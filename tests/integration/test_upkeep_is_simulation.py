"""Renaming, describing, untagging, aliasing, deleting and restoring end where simulation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import ModelVersionApi, or_raise
from mlopus.api import upkeep_calls as calls
from mlopus.api.calls import Call
from mlopus.api.gathering import gather
from mlopus.domain.keys import key_of
from mlopus.domain.records import Record, RunRecord
from mlopus.plans.planner import plan
from mlopus.plans.search import SearchSpec
from mlopus.plans.simulate import simulate
from mlopus.query import Sorting, parse

CALLS: dict[str, Callable[[ModelVersionApi], Any]] = {
    "rename_exp": lambda v: calls.rename_exp(v.api, _run(v).exp, "new"),
    "rename_run": lambda v: calls.rename_run(v.api, _run(v), "new"),
    "rename_model": lambda v: calls.rename_model(v.api, v.model, "new"),
    "set_description_on_exp": lambda v: calls.set_description_on_exp(v.api, _run(v).exp, "text"),
    "set_description_on_run": lambda v: calls.set_description_on_run(v.api, _run(v), "text"),
    "set_description_on_model": lambda v: calls.set_description_on_model(v.api, v.model, "text"),
    "set_description_on_model_version": lambda v: calls.set_description_on_model_version(v.api, v, "text"),
    "delete_tags_on_exp": lambda v: calls.delete_tags_on_exp(v.api, _run(v).exp, ["mlopus"]),
    "delete_tags_on_run": lambda v: calls.delete_tags_on_run(v.api, _run(v), ["a"]),
    "delete_tags_on_model": lambda v: calls.delete_tags_on_model(v.api, v.model, ["a"]),
    "delete_tags_on_model_version": lambda v: calls.delete_tags_on_model_version(v.api, v, ["a.b"]),
    "set_alias": lambda v: calls.set_alias(v.api, v.model, "champion", 2),
    "delete_alias": lambda v: calls.delete_alias(v.api, v.model, "champion"),
    "delete_exp": lambda v: calls.delete_exp(v.api, _run(v).exp),
    "restore_exp": lambda v: calls.restore_exp(v.api, or_raise(_run(v).exp.delete())),
    "delete_run": lambda v: calls.delete_run(v.api, _run(v)),
    "restore_run": lambda v: calls.restore_run(v.api, or_raise(_run(v).delete())),
    "delete_model": lambda v: calls.delete_model(v.api, v.model),
    "delete_model_version": lambda v: calls.delete_model_version(v.api, (v.model.name, "@champion")),
}


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_execution_ends_where_simulation_says(verb: str) -> None:
    version = a_version()
    api = version.api
    call: Call = or_raise(CALLS[verb](version))
    facts = or_raise(gather(call, api.repositories, api.settings, api.recent_parents))
    before = attrs.evolve(
        facts, records=held_by(api.repositories.tracking), cached_records=held_by(api.repositories.cache)
    )
    made = or_raise(plan(call.request, before))

    or_raise(api.execute(made))

    expected = simulate(before, made)
    assert held_by(api.repositories.tracking) == told(expected.records)
    assert held_by(api.repositories.cache) == told(expected.cached_records)


def a_version() -> ModelVersionApi:
    """The first of two versions, named by an alias; all that leads to it has tags and is cached."""
    api = mlopus.testing.in_memory()
    tags = {"a": {"b": 1, "c": 2}}
    run = or_raise(or_raise(api.create_exp("demo", tags)).start_run("r1", tags))
    model = or_raise(api.create_model("ranker", tags))
    for path in ("first", "second"):
        or_raise(model.log_version(run, lambda path: path.touch(), path, tags=tags))
    or_raise(model.set_alias("champion", 1))
    or_raise(api.cache_model_version_meta((model.name, 2)))
    return or_raise(api.cache_model_version_meta((model.name, 1)))


def held_by(repository: Any) -> tuple[Record, ...]:
    """Every record of a repository."""
    query, found = or_raise(parse({})), list[Record]()
    for kind in ("experiment", "run", "model", "model version"):
        exp_ids = ("0",) if kind == "run" else ()
        spec = SearchSpec(kind=kind, query=query, sorting=Sorting(), exp_ids=exp_ids, view="all")
        found += or_raise(repository.find(spec)).records
    return told(tuple(found))


def told(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Records by their keys, without when they were changed."""
    timeless = (r if isinstance(r, RunRecord) else attrs.evolve(r, updated_at=None) for r in records)
    return tuple(sorted(timeless, key=lambda record: repr(key_of(record))))


def _run(version: ModelVersionApi) -> Any:
    return version.run
