"""The raising view: each method that returns a Result, as one that gives the value and raises."""

from __future__ import annotations

import ast
import copy

import attrs

from tests.generation.sources import Source
from tests.generation.targets import Target, arguments_of, names_in

API_PACKAGE = "mlopus.api.raising"
HANDLE_PACKAGE = "mlopus.handles.raising"
OR_RAISE = "from mlopus.result import or_raise"
SEARCH = f"from {API_PACKAGE}.search import RaisingSearch"


@attrs.frozen
class Handle:
    """A handle: its raising class with that one's module, and the names of both conversions."""

    raising: str
    module: str
    to_raising: str
    to_plain: str

    @property
    def import_line(self) -> str:
        """Imports the raising class."""
        return f"from {HANDLE_PACKAGE}.{self.module} import {self.raising}"


HANDLES = {
    "ExpApi": Handle("RaisingExp", "exp", "raised_exp", "plain_exp"),
    "RunApi": Handle("RaisingRun", "run", "raised_run", "plain_run"),
    "ModelApi": Handle("RaisingModel", "model", "raised_model", "plain_model"),
    "ModelVersionApi": Handle(
        "RaisingModelVersion", "version", "raised_model_version", "plain_model_version"
    ),
}
RENAMED = {name: handle.raising for name, handle in HANDLES.items()} | {"MlflowApi": "RaisingApi"}
KNOWN = {handle.raising: handle.import_line for handle in HANDLES.values()} | {
    "RaisingApi": f"from {API_PACKAGE} import RaisingApi",
    "RaisingSearch": SEARCH,
    "RaisingRunBatch": "from mlopus.handles.batch import RaisingRunBatch",
}


@attrs.frozen(kw_only=True)
class Answer:
    """What a raising method returns, how, and what its body needs imported."""

    returns: str
    body: str
    conversion: tuple[str, ...] = ()
    raises: bool = True


def raising_verbs_of(source: Source) -> Target:
    """The file with the raising view of one class of verbs."""
    target = Target(
        module=f"{API_PACKAGE}.{source.module.rpartition('.')[2]}",
        name=class_of(source),
        source=source,
        about=f"The verbs of `{source.name}`, raising.",
        known=KNOWN,
        imports={f"from {API_PACKAGE}.core import RaisingCore"},
    )
    doc = f"The verbs of `{source.name}`: each gives its value, and raises the error of a Failure."
    target.open_class("RaisingCore", doc)
    for verb in source.methods:
        answer = answer_of(source, verb)
        target.imports.update(answer.conversion, [OR_RAISE] if answer.raises else [])
        target.add_method(verb, answer.returns, f"See `MlflowApi.{verb.name}`.", [answer.body])
    return target


def class_of(source: Source) -> str:
    """The name of the class with the raising view of a class of verbs."""
    return f"Raising{source.name}"


def raising_handle_of(source: Source) -> Target:
    """The file with the raising view of one handle.

    What it converts with is imported in its methods: handles make one another.
    """
    handle, entity = HANDLES[source.name], source.bases[0]
    target = Target(
        module=f"{HANDLE_PACKAGE}.{handle.module}",
        name=handle.raising,
        source=source,
        about=f"The raising view of `{source.name}`.",
        known=KNOWN,
        imports={"import attrs", source.imports[entity]},
    )
    doc = f"See `{source.name}`: the same entity, whose verbs give values and raise."
    target.open_class(entity, doc, source.decorators)
    for field in source.fields:
        target.add_field(field, raising_type(field.annotation))
    back = [f"from mlopus.handles.raised import {handle.to_plain}", f"return {handle.to_plain}(self)"]
    target.add_property("results", source.name, "The same entity, whose verbs return Results.", back)
    for verb in source.methods:
        answer = answer_of(source, verb)
        target.imports.update([OR_RAISE] if answer.raises else [])
        target.add_method(verb, answer.returns, doc_of(source, verb), [*answer.conversion, answer.body])
    return target


def doc_of(source: Source, verb: ast.FunctionDef) -> str:
    """What a raising method of a handle says: as the handle's does, or where that says it all."""
    doc = ast.get_docstring(verb) or ""
    return doc if not doc or doc.startswith("See ") else f"See `{source.name}.{verb.name}`."


def answer_of(source: Source, verb: ast.FunctionDef) -> Answer:
    """How the raising method answers, by what the verb returns."""
    call = f"self.results.{verb.name}({arguments_of(verb)})"
    match verb.returns:
        case ast.Subscript(value=ast.Name("Result"), slice=ast.Tuple(elts=[ast.Constant(None), _])):
            return Answer(returns="None", body=f"or_raise({call})")
        case ast.Subscript(value=ast.Name("Result"), slice=ast.Tuple(elts=[ast.Name(name), _])) if (
            name in HANDLES
        ):
            to_raising = HANDLES[name].to_raising
            return Answer(
                returns=HANDLES[name].raising,
                body=f"return {to_raising}(or_raise({call}))",
                conversion=(f"from mlopus.handles.raised import {to_raising}",),
            )
        case ast.Subscript(value=ast.Name("Result"), slice=ast.Tuple(elts=[value, _])) if not (
            names_in(value) & RENAMED.keys()
        ):
            return Answer(returns=ast.unparse(value), body=f"return or_raise({call})")
        case ast.Subscript(value=ast.Name("Search"), slice=ast.Name(name)) if name in HANDLES:
            to_raising = HANDLES[name].to_raising
            return Answer(
                returns=f"RaisingSearch[{HANDLES[name].raising}]",
                body=f"return RaisingSearch({call}, {to_raising})",
                conversion=(SEARCH, f"from mlopus.handles.raised import {to_raising}"),
                raises=False,
            )
        case ast.Name("RunBatch"):
            batch = "from mlopus.handles.batch import RaisingRunBatch"
            return Answer(
                returns="RaisingRunBatch",
                body=f"return RaisingRunBatch({call})",
                conversion=(batch,),
                raises=False,
            )
        case ast.Name("Hold"):
            return Answer(returns="Hold", body=f"return {call}", raises=False)
        case ast.Name("Self") if verb.name == "__enter__":
            return Answer(returns="Self", body="return self", raises=False)
        case ast.Constant(None) if verb.name == "__exit__":
            return Answer(returns="None", body=call, raises=False)
        case _:
            returned = "nothing" if verb.returns is None else ast.unparse(verb.returns)
            where = f"{source.module}.{source.name}.{verb.name}"
            raise SystemExit(f"{where} returns {returned}: tests/generation/raising.py has no rule for that")


def raising_type(annotation: ast.expr) -> str:
    """A type with raising handles in place of handles."""
    renamed = copy.deepcopy(annotation)
    for node in ast.walk(renamed):
        if isinstance(node, ast.Name):
            node.id = RENAMED.get(node.id, node.id)
    return ast.unparse(renamed)
