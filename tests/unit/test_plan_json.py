"""Plans from JSON: what is refused, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey
from mlopus.domain.manifest import RemoteFile
from mlopus.errors import UnreadablePlan
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.requests import CacheArtifact, GetEntity
from mlopus.plans.serial import request_from_json, request_to_json
from tests.unit.plan_facts import ARTIFACT, cached, listed, of_artifact

FOUND = plan(
    CacheArtifact(artifact=ARTIFACT),
    of_artifact(cached({"b": "two"}), listing=listed(RemoteFile(path="a", size_bytes=3))),
).unwrap()
FETCH = ("plan", "stages", 0, 0)
COMMIT = ("plan", "stages", 1, 0)


def changed(path: tuple[str | int, ...], change: Callable[[Any], object]) -> str:
    """The JSON of a plan, of which one part was changed."""
    document = json.loads(FOUND.to_json())
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = change(part[path[-1]])
    return json.dumps(document)


def refused(text: str) -> UnreadablePlan:
    error = Plan.from_json(text).failure()
    assert isinstance(error, UnreadablePlan)
    return error


def test_a_plan_comes_back_equal() -> None:
    assert Plan.from_json(FOUND.to_json()).unwrap() == FOUND


def test_roots_stay_at_home() -> None:
    placed = attrs.evolve(FOUND, roots=immutabledict({"target": "/secret/place"}))
    assert "/secret/place" not in placed.to_json()


def test_the_format_number_comes_first() -> None:
    assert FOUND.to_json().startswith('{"format":1,')


def test_a_newer_format_is_refused_by_its_number() -> None:
    assert (
        refused(changed(("format",), lambda _: 2)).reason == "its format 2 is newer than the one read here, 1"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"plan"', "{}", '{"format": "1"}', '{"format": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (
            (*FETCH, "files", 0, "size_bytes"),
            str,
            "'3' is no int @ $.stages[0][0].files[0].size_bytes",
        ),
        ((*FETCH, "staged"), lambda _: 3, "3 is no str @ $.stages[0][0].staged"),
        (
            (*COMMIT, "taken_at"),
            lambda _: "soon",
            "'soon' is no time with an offset @ $.stages[1][0].taken_at",
        ),
        (
            (*COMMIT, "taken_at"),
            lambda _: "2026-01-01T00:00:00",
            "'2026-01-01T00:00:00' is no time with an offset @ $.stages[1][0].taken_at",
        ),
        (("plan", "request", "type"), lambda _: "LogBatch", "type 'LogBatch' is none of"),
        (("plan", "totals"), lambda _: {"more": 1}, "it has fields that are not known: more @ $.totals"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    path: tuple[str | int, ...], change: Callable[[Any], object], reason: str
) -> None:
    assert refused(changed(path, change)).reason.startswith(reason)


def test_a_field_that_is_missing_is_named() -> None:
    def without_url(step: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in step.items() if name != "store_url"}

    assert refused(changed(FETCH, without_url)).reason == (
        "it lacks the field 'store_url' @ $.stages[0][0].store_url"
    )


@pytest.mark.parametrize(
    ("path", "evil"),
    [
        ((*FETCH, "files", 0, "path"), "../../etc/passwd"),
        ((*FETCH, "files", 0, "path"), "/etc/passwd"),
        ((*COMMIT, "path"), "a/../../b"),
        ((*COMMIT, "name"), "../trees"),
        ((*COMMIT, "name"), ""),
        ((*COMMIT, "empty_folders"), ["../x"]),
    ],
)
def test_a_path_that_leaves_its_root_is_refused(path: tuple[str | int, ...], evil: object) -> None:
    assert refused(changed(path, lambda _: evil))


def test_a_tree_outside_of_the_cache_is_refused() -> None:
    hit = plan(CacheArtifact(artifact=ARTIFACT), of_artifact(listing=listed(RemoteFile(path="a")))).unwrap()
    text = hit.to_json().replace('{"type":"Pending","key":"tree"}', '"../../home"')
    assert refused(text)


def test_a_request_is_no_plan() -> None:
    assert refused(request_to_json(GetEntity(key=RunKey("r")))).reason == "it holds no plan"


def test_a_plan_is_no_request() -> None:
    assert isinstance(request_from_json(FOUND.to_json()).failure(), UnreadablePlan)
