"""The planning view: each verb that builds a request, as a method that gives its plan."""

from __future__ import annotations

import ast
import copy

from tests.generation.sources import Source
from tests.generation.targets import Target, parsed

PACKAGE = "mlopus.api.planning"
KNOWN = {
    "MlopusError": "from mlopus.errors import MlopusError",
    "Plan": "from mlopus.plans.plan import Plan",
    "Result": "from mlopus.result import Result",
}


def plans_of(source: Source) -> Target:
    """The file with the plans of one class of verbs."""
    target = Target(
        module=f"{PACKAGE}.{source.module.rpartition('.')[2]}",
        name=class_of(source),
        source=source,
        about=f"Plans of the verbs of `{source.name}`.",
        known=KNOWN,
        imports={f"from {PACKAGE}.core import PlanCore"},
    )
    doc = f"The verbs of `{source.name}`: each gives its plan and does nothing."
    target.open_class("PlanCore", doc)
    for verb in source.methods:
        if verb.name.startswith("load_"):
            add_load(target, verb)
        else:
            add_plan(target, verb, verb, f"The plan of `MlflowApi.{verb.name}`.")
    return target


def class_of(source: Source) -> str:
    """The name of the class with the plans of a class of verbs."""
    return source.name.replace("Verbs", "Plans")


def add_load(target: Target, verb: ast.FunctionDef) -> None:
    """The plan of a load, which is that of the corresponding get."""
    name = verb.name.replace("load_", "get_", 1)
    get = next(node for node in target.source.methods if node.name == name)
    written = copy.deepcopy(verb)
    loader = next(parameter for parameter in written.args.args if parameter.arg == "loader")
    loader.annotation = parsed("Callable[[Path], object]")
    doc = f"The plan of `MlflowApi.{verb.name}`, which calls no loader."
    add_plan(target, written, get, doc, "del loader")


def add_plan(target: Target, verb: ast.FunctionDef, builder: ast.FunctionDef, doc: str, *first: str) -> None:
    """The method that plans what a builder of requests makes; none for verbs without one."""
    call = request_of(builder)
    if call is None:
        return
    target.imports.add(f"from mlopus.api import {call.partition('.')[0]}")
    target.add_method(verb, "Result[Plan, MlopusError]", doc, [*first, f"return self._api.planned({call})"])


def request_of(verb: ast.FunctionDef) -> str | None:
    """The call in a verb's body that makes its request: `calls.verb(self, …)`, here for `self._api`."""
    for node in ast.walk(verb):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(), attr=verb.name), args=[ast.Name("self"), *_]):
                call = copy.deepcopy(node)
                call.args[0] = parsed("self._api")
                return ast.unparse(call)
            case _:
                continue
    return None
