"""From what was executed to what the verb returns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never, cast

from immutabledict import immutabledict

from mlopus.api.views import Viewer
from mlopus.domain.text import codec_named
from mlopus.plans.bindings import bindings_of
from mlopus.plans.outcomes import Fetched
from mlopus.plans.pending import bind, known
from mlopus.plans.plan import (
    Answer,
    EntityAnswer,
    ExportedAnswer,
    FetchedAnswer,
    NoAnswer,
    ReceiptAnswer,
    TargetAnswer,
    TreeAnswer,
)
from mlopus.plans.steps import Bindings, CachedTree, FetchEntity, StoreTree

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi
    from mlopus.domain.records import Record
    from mlopus.execution.receipts import Receipt
    from mlopus.ports.streams import TreeSource


def _answer_of(receipt: Receipt) -> Answer:
    """The answer of a plan, with what its steps bound."""
    bindings: Bindings = immutabledict()
    for done in receipt.steps:
        bindings = bindings | bindings_of(done.step, done.outcome)
    return bind(receipt.plan.answer, bindings)


def record_answered(receipt: Receipt) -> Record | None:
    """The record of the entity that a plan answers, if it answers one."""
    answer = _answer_of(receipt)
    return cast("Record", answer.record) if isinstance(answer, EntityAnswer) else None


def value_of(receipt: Receipt, api: MlflowApi) -> Any:
    """The value of the verb whose plan was executed."""
    answer = _answer_of(receipt)
    match answer:
        case NoAnswer():
            return None
        case EntityAnswer():
            viewer = Viewer(api, codec_named(api.settings.text_codec), answer.as_of)
            return viewer.handle((cast("Record", answer.record), *answer.parents))
        case FetchedAnswer():
            for done in receipt.steps:
                if isinstance(done.step, FetchEntity) and isinstance(done.outcome, Fetched):
                    fetched = Viewer(api, codec_named(api.settings.text_codec), done.outcome.as_of)
                    return fetched.handle(done.outcome.records)
            raise LookupError(f"the plan {receipt.plan.verb} fetched nothing")
        case TreeAnswer():
            return _path_of(answer.tree, api)
        case TargetAnswer():
            return Path(receipt.plan.roots["target"])
        case ExportedAnswer():
            exported = api.repositories.cache_folders.artifacts(receipt.plan.roots["target"])
            return _local_path(exported.tree(known(answer.tree.tree_key)).unwrap(), answer.tree.path)
        case ReceiptAnswer():
            return receipt
        case _:
            assert_never(answer)


def _path_of(tree: CachedTree | StoreTree, api: MlflowApi) -> Path:
    if isinstance(tree, CachedTree):
        return _local_path(api.repositories.artifacts.tree(known(tree.tree_key)).unwrap(), tree.path)
    return _local_path(api.repositories.stores.local_source(tree.store_url), "")


def _local_path(tree: TreeSource | None, inside: str) -> Path:
    path = None if tree is None else tree.local_path(inside)
    assert path is not None, "the plan was made for files on this disk"  # noqa: S101
    return Path(path)
