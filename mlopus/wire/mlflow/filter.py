"""From a search to what MLflow's server is asked: filters, orders, and what is left to be checked here.

The server is asked for a superset of what the query finds, never for less; `is_exact` tells where
it is the same. An order is asked for only where the server's is truly the same, ties included:
it sorts texts by its database's rules, and what is missing always last.

Nothing here depends on a server's version: what only some servers understand is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.status import EntityKind
from mlopus.domain.text import TextCodec
from mlopus.plans.search import PushDown, SearchSpec
from mlopus.query.ast import And, Leaf, Node, Nor, Not, Or, Sorting
from mlopus.wire.mlflow.clauses import (
    Branch,
    Clause,
    Pushed,
    all_of,
    any_of,
    complement,
    fitted,
    not_pushed,
)
from mlopus.wire.mlflow.leaves import (
    LeafRule,
    encoded_text,
    experiment_ids,
    metric,
    run_status,
    text_attribute,
    time_attribute,
    version_number,
)

PROMPT: Final = Clause("tag", "mlflow.prompt.is_prompt", "=", "true")
"""What a registry's search must say to be told of prompts, which are models and versions too."""

SHOWN_EXPERIMENTS: Final = 5
LONGEST_IN_AN_ADDRESS_BYTES: Final = 3000
"""A registry is searched by GET, and gunicorn takes 4094 bytes for the whole line of a request."""

_ALWAYS_THERE: Final = frozenset(
    {"attributes.run_id", "attributes.status", "exp.id", "name", "version_number"}
)
_DESCENDING_ATTRIBUTES: Final[Mapping[str, str]] = immutabledict(
    {"start_time": "attributes.start_time", "end_time": "attributes.end_time"}
)


@attrs.frozen(kw_only=True)
class ServerSearch:
    """One search of the server; a query may take several, the rows of which are put together.

    Attributes:
        filter: In MLflow's grammar; "" for everything.
        exp_ids: For runs: the experiments to look in.
        clauses: What the filter says.
        is_last_resort: Ask only if nothing was found before: both cannot have rows.
    """

    filter: str
    exp_ids: tuple[str, ...]
    clauses: Branch
    is_last_resort: bool = False


@attrs.frozen(kw_only=True)
class ServerSearches:
    """All that the server is asked for one search; without searches there is nothing to be found."""

    searches: tuple[ServerSearch, ...]
    order_by: tuple[str, ...]
    push_down: PushDown


def server_searches(spec: SearchSpec, codec: TextCodec) -> ServerSearches:
    """What the server is asked for a search.

    Args:
        spec: The search, as the port of tracking stores has it.
        codec: How values became the texts that the server compares.
    """
    pushed = _push(spec.query.root, _rules(spec.kind, codec))
    if spec.kind in ("model", "model version"):
        pushed = fitted(pushed, LONGEST_IN_AN_ADDRESS_BYTES)
    searches = tuple(search for branch in pushed.branches if (search := _search(spec, branch)) is not None)
    if spec.kind in ("model", "model version"):
        searches = () if spec.view == "deleted" else _with_prompts(searches)
    order_by = _order(spec, pushed, is_one=len(pushed.branches) <= 1)
    return ServerSearches(
        searches=searches,
        order_by=order_by,
        push_down=PushDown(
            is_exact=pushed.is_exact,
            is_sorted=bool(order_by) or not spec.sorting.keys,
            evaluated=_evaluated(spec, searches, order_by),
            rechecked=pushed.reasons,
            searches=len(searches),
        ),
    )


def _push(node: Node, rules: Mapping[str, LeafRule]) -> Pushed:
    match node:
        case And(nodes):
            return all_of(tuple(_push(inner, rules) for inner in nodes))
        case Or(nodes):
            return any_of(tuple(_push(inner, rules) for inner in nodes))
        case Nor(nodes):
            return all_of(tuple(_negated(inner, rules) for inner in nodes))
        case Not(inner):
            return _negated(inner, rules)
        case _:
            return _push_leaf(node, rules)


def _negated(node: Node, rules: Mapping[str, LeafRule]) -> Pushed:
    pushed = complement(_push(node, rules), _ALWAYS_THERE)
    return not_pushed("a negation: the server leaves out what lacks the field") if pushed is None else pushed


def _push_leaf(leaf: Leaf, rules: Mapping[str, LeafRule]) -> Pushed:
    parts = leaf.path.parts
    rule = rules.get(leaf.path.text) or (rules.get(f"{parts[0]}.*") if len(parts) > 1 else None)
    return not_pushed(f"{leaf.path}: the server has no filter for it") if rule is None else rule(leaf)


def _rules(kind: EntityKind, codec: TextCodec) -> Mapping[str, LeafRule]:
    """What can be asked of each field; `.*` stands for the keys of params, tags and metrics."""
    tags = encoded_text("tag", codec)
    match kind:
        case "run":
            return {
                "id": text_attribute("attributes.run_id", takes_in=True),
                "name": text_attribute("attributes.run_name", takes_in=False),
                "status": run_status("attributes.status"),
                "start_time": time_attribute("attributes.start_time"),
                "end_time": time_attribute("attributes.end_time"),
                "exp.id": experiment_ids,
                "params.*": encoded_text("param", codec),
                "metrics.*": metric,
                "tags.*": tags,
            }
        case "experiment":
            return {
                "name": text_attribute("name", takes_in=False),
                "created_at": time_attribute("creation_time"),
                "updated_at": time_attribute("last_update_time"),
                "tags.*": tags,
            }
        case "model":
            return {"name": text_attribute("name", takes_in=False), "tags.*": tags}
        case "model version":
            return {
                "version": version_number("version_number"),
                "model.name": text_attribute("name", takes_in=False),
                "run.id": text_attribute("run_id", takes_in=True),
                "source": text_attribute("source_path", takes_in=False),
                "tags.*": tags,
            }
        case _:
            assert_never(kind)


def _search(spec: SearchSpec, branch: Branch) -> ServerSearch | None:
    """The search of one branch; None if no experiment is left to look in."""
    exp_ids = dict.fromkeys(spec.exp_ids)
    for clause in branch:
        if clause.field == "exp_ids":
            named = frozenset(clause.operand if isinstance(clause.operand, tuple) else ())
            exp_ids = {e: None for e in exp_ids if (e in named) == (clause.op == "IN")}
    if spec.kind == "run" and not exp_ids:
        return None
    clauses = tuple(dict.fromkeys(clause for clause in branch if clause.field != "exp_ids"))
    return ServerSearch(filter=_text(clauses), exp_ids=tuple(exp_ids), clauses=clauses)


def _with_prompts(searches: tuple[ServerSearch, ...]) -> tuple[ServerSearch, ...]:
    """The same searches, and again among prompts, which a registry leaves out if it is not told.

    A name belongs to a model or to a prompt, so where it is given one of the two answers is empty.
    """
    among_prompts = tuple(
        ServerSearch(
            filter=_text((*search.clauses, PROMPT)),
            exp_ids=(),
            clauses=(*search.clauses, PROMPT),
            is_last_resort=len(searches) == 1 and _names_one(search.clauses),
        )
        for search in searches
    )
    return (*searches, *among_prompts)


def _names_one(branch: Branch) -> bool:
    return any(clause.key == "name" and clause.op == "=" for clause in branch)


def _order(spec: SearchSpec, pushed: Pushed, *, is_one: bool) -> tuple[str, ...]:
    """The order to ask for, if the server's is the one that is wanted."""
    sorting = spec.sorting
    if not sorting.keys or not is_one:
        return ()
    if spec.kind == "run":
        return _order_of_runs(sorting, frozenset(c for branch in pushed.branches for c in branch))
    if spec.kind == "model version" and len(sorting.keys) == 1 and all(map(_names_one, pushed.branches)):
        key = sorting.keys[0]
        if key.path.text == "version":
            return (f"version_number {'DESC' if key.descending else 'ASC'}",)
    return ()


def _order_of_runs(sorting: Sorting, clauses: frozenset[Clause]) -> tuple[str, ...]:
    """The order of runs that all satisfy the clauses.

    By a metric only where a clause compares it: then none lacks it, for which others would have their place
    by what is below it (`val.acc` below `val`), and none has NaN.
    """
    compared = {clause.key for clause in clauses if clause.field == "metric"}
    order: list[str] = []
    for key in sorting.keys:
        direction = "DESC" if key.descending else "ASC"
        root, _, name = key.path.text.partition(".")
        column = _DESCENDING_ATTRIBUTES.get(key.path.text)
        if key.path.text == "id":
            return (*order, f"attributes.run_id {direction}")
        if root == "metrics" and name in compared:
            order.append(f"metrics.`{name}` {direction}")
        elif column is not None and key.descending:
            order.append(f"{column} DESC")
        else:
            return ()
    return (*order, "attributes.run_id ASC")


def _evaluated(
    spec: SearchSpec, searches: tuple[ServerSearch, ...], order_by: tuple[str, ...]
) -> tuple[str, ...]:
    lines: list[str] = []
    for search in searches:
        where = f" in {_experiments(search.exp_ids)}" if spec.kind == "run" else ""
        lines.append(f"{spec.kind}s{where}: {search.filter or 'all'}")
    if order_by:
        lines.append(f"order by {', '.join(order_by)}")
    return tuple(lines)


def _experiments(exp_ids: tuple[str, ...]) -> str:
    many = len(exp_ids) > SHOWN_EXPERIMENTS
    return f"{len(exp_ids)} experiments" if many else f"experiments {', '.join(exp_ids)}"


def _text(clauses: Branch) -> str:
    return " AND ".join(map(str, clauses))
