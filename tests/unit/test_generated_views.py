"""What is generated is current, and no view, handle or docstring lags behind the verbs of MlflowApi."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlopus.api.client import MlflowApi
from mlopus.api.planning import PlanVerbs
from mlopus.api.raising import RaisingApi
from mlopus.handles import ExpApi, ModelApi, ModelVersionApi, RunApi
from mlopus.handles.raising import RaisingExp, RaisingModel, RaisingModelVersion, RaisingRun
from tests.generate import generated, not_current
from tests.generation.sources import ROOT

RAISING_HANDLES = {
    ExpApi: RaisingExp,
    RunApi: RaisingRun,
    ModelApi: RaisingModel,
    ModelVersionApi: RaisingModelVersion,
}
BOUND_BY_A_HANDLE = {"exp", "run", "model", "model_version", "parent", "refresh"}
OF_A_HANDLE_ALONE = {"batch"}
READS_WITHOUT_A_PLAN = {
    "metric_history",
    "open_artifact",
    "pending",
    "flush",
    "verify",
    "cache_report",
    "hold",
}
Method = Callable[..., Any]


def methods_of(*classes: type) -> Iterator[tuple[str, Method]]:
    for kind in classes:
        for name, method in vars(kind).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                yield name, method


def parameters_of(method: Method) -> dict[str, inspect.Parameter]:
    return dict(tuple(inspect.signature(method).parameters.items())[1:])


def names_and_defaults(method: Method) -> list[tuple[str, object]]:
    return [(name, parameter.default) for name, parameter in parameters_of(method).items()]


def only_reads_without_a_plan(verb: str) -> bool:
    return verb.startswith(("find_", "list_")) or verb.endswith("_url") or verb in READS_WITHOUT_A_PLAN


VERBS = dict(methods_of(*MlflowApi.__bases__))
ALL_VERBS = VERBS | dict(methods_of(MlflowApi))
PLANNED = [verb for verb in VERBS if not only_reads_without_a_plan(verb)]
HANDLE_METHODS = [
    pytest.param(kind, name, method, id=f"{kind.__name__}.{name}")
    for kind in RAISING_HANDLES
    for name, method in methods_of(kind)
]


def test_generated_files_are_current() -> None:
    assert not_current(generated()) == []


def test_a_file_that_is_missing_and_one_that_lost_its_source_are_found() -> None:
    missing = ROOT / "mlopus" / "nowhere.py"

    assert {missing, ROOT / "mlopus/api/raising/runs.py"} <= set(not_current({missing: ""}))


def test_a_file_with_another_text_is_found() -> None:
    changed = ROOT / "mlopus/api/planning/runs.py"

    assert changed in not_current({changed: changed.read_text() + "# by hand\n"})


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_verb_raises_with_the_same_parameters(verb: str) -> None:
    assert parameters_of(getattr(RaisingApi, verb)) == parameters_of(ALL_VERBS[verb])


@pytest.mark.parametrize("verb", PLANNED)
def test_a_verb_is_planned_with_the_same_parameters(verb: str) -> None:
    assert names_and_defaults(getattr(PlanVerbs, verb)) == names_and_defaults(VERBS[verb])


def test_nothing_else_is_planned() -> None:
    planned = {name for name in dir(PlanVerbs) if not name.startswith("_")}

    assert planned == set(PLANNED)


@pytest.mark.parametrize(("kind", "name", "method"), HANDLE_METHODS)
def test_a_handle_raises_with_the_same_parameters(kind: type, name: str, method: Method) -> None:
    raising = getattr(RAISING_HANDLES[kind], name)

    assert parameters_of(raising) == parameters_of(method)


POINTING_TO_A_VERB = [method for method in HANDLE_METHODS if method.values[1] not in OF_A_HANDLE_ALONE]


@pytest.mark.parametrize(("kind", "name", "method"), POINTING_TO_A_VERB)
def test_a_handle_takes_the_parameters_of_the_verb_that_it_points_to(
    kind: type, name: str, method: Method
) -> None:
    verb, taken = VERBS[verb_pointed_to(method)], names_and_defaults(method)
    if (kind, name) == (ModelApi, "get_version"):  # the half of a reference that the model leaves open
        taken.remove(("version", inspect.Parameter.empty))

    assert taken == [pair for pair in names_and_defaults(verb) if pair in taken]
    assert parameters_of(verb).keys() - dict(taken).keys() <= BOUND_BY_A_HANDLE


def verb_pointed_to(method: Method) -> str:
    found = re.match(r"See `MlflowApi\.(\w+)`", inspect.getdoc(method) or "")
    assert found is not None, "the docstring of a handle's method begins with the verb it stands for"
    return found.group(1)


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_verb_says_what_each_argument_means(verb: str) -> None:
    doc = inspect.getdoc(ALL_VERBS[verb]) or ""
    silent = [name for name in parameters_of(ALL_VERBS[verb]) if f"\n    {name}: " not in doc]

    assert silent == []


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_verb_says_what_it_gives_and_how_it_fails(verb: str) -> None:
    doc, returns = inspect.getdoc(ALL_VERBS[verb]) or "", inspect.signature(ALL_VERBS[verb]).return_annotation
    sections = ["Returns:"] if returns.startswith("Search[") else ["Returns:", "Fails with:"]

    assert doc.partition("\n")[0].endswith((".", ":"))
    assert [section for section in sections if f"\n{section}\n" not in doc] == []


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_verb_shows_its_point_in_an_example_that_calls_it(verb: str) -> None:
    example = (inspect.getdoc(ALL_VERBS[verb]) or "").partition("\nExample:\n")[2]

    assert re.search(rf"\.{verb}\(", example)
