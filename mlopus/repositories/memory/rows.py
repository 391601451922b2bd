"""Searching records that are all at hand, with the query's own predicate."""

from __future__ import annotations

from collections.abc import Iterable

from mlopus.domain.documents import Parents, document_of, tie_of
from mlopus.domain.keys import key_of, kind_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.text import TextCodec
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.query.sorting import document_key

PREDICATE = PushDown(is_exact=True, is_sorted=True, evaluated=("the whole query, in memory",), rechecked=())


def page_of(
    records: Iterable[Record], spec: SearchSpec, token: PageToken, codec: TextCodec, parents: Parents
) -> Page:
    """One page of the records that a search asks for, in its order, ties by id."""
    key = document_key(spec.sorting)
    found = [
        (key(document), tie_of(record), record)
        for record in records
        if _is_seen(record, spec) and spec.query.matches(document := document_of(record, codec, parents))
    ]
    found.sort(key=lambda row: row[:2])
    start = int(token or 0)
    chosen = tuple(record for _, _, record in found[start : start + spec.page_size])
    after = start + len(chosen)
    return Page(records=chosen, next_token=str(after) if after < len(found) else None)


def may_see(spec: SearchSpec, record: Record) -> bool:
    """Whether a record is of the kind, and of the experiments, that a search is about."""
    if kind_of(key_of(record)) != spec.kind:
        return False
    return not isinstance(record, RunRecord) or record.exp_id in spec.exp_ids


def _is_seen(record: Record, spec: SearchSpec) -> bool:
    if not may_see(spec, record):
        return False
    if isinstance(record, RunRecord | ExperimentRecord) and spec.view != "all":
        return record.lifecycle_stage == spec.view
    return True
