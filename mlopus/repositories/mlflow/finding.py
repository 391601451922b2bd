"""Searches, page by page: the searches that a query takes on the server, one after the other."""

from __future__ import annotations

from typing import Final, assert_never

import attrs

from mlopus.domain.records import ModelRecord, VersionRecord
from mlopus.domain.text import codec_named
from mlopus.errors import InvalidRequest, MlopusError, NotFound
from mlopus.plans.search import Page, PageToken, SearchSpec
from mlopus.repositories.mlflow.asking import Asking
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import search_experiments_from_reply, search_experiments_request
from mlopus.wire.mlflow.filter import PROMPT, ServerSearch, ServerSearches, server_searches
from mlopus.wire.mlflow.models import (
    MAX_MODEL_PAGE,
    aliases_of,
    get_model_request,
    model_from_reply,
    search_models_from_reply,
    search_models_request,
    search_versions_from_reply,
    search_versions_request,
)
from mlopus.wire.mlflow.pages import PageRequest
from mlopus.wire.mlflow.runs import search_runs_from_reply, search_runs_request

MODELS_ASKED_ONE_BY_ONE: Final = 2


@attrs.frozen
class _Place:
    """Where a search goes on: in which of the server's searches, with which token of it."""

    at: int = 0
    found_any: bool = False
    token: PageToken = None

    def __str__(self) -> str:
        return f"{self.at}.{int(self.found_any)}.{self.token or ''}"

    @classmethod
    def parse(cls, token: PageToken) -> _Place | None:
        """The place that a token of ours names; None for any other."""
        if token is None:
            return cls()
        at, _, rest = token.partition(".")
        found_any, dot, server_token = rest.partition(".")
        if not (at.isdigit() and found_any in ("0", "1") and dot):
            return None
        return cls(int(at), found_any == "1", server_token or None)


def find(transport: Asking, spec: SearchSpec, codec: str, token: PageToken) -> Result[Page, MlopusError]:
    """The next page that has rows, or the empty last one. A row may come again, in a later page."""
    place = _Place.parse(token)
    if place is None:
        reason = "the page token is of another search"
        return Failure(
            InvalidRequest(
                place=transport.place, request=f"{spec.kind} search", code="page token", reply=reason
            )
        )
    asked = server_searches(spec, codec_named(codec))
    while place.at < len(asked.searches):
        search = asked.searches[place.at]
        if search.is_last_resort and place.found_any:
            break
        page = _page(transport, spec, search, asked.order_by, place.token)
        if isinstance(page, Failure):
            return page
        rows = page.unwrap()
        place = _after(asked, place, rows)
        if rows.records:
            next_token = str(place) if place.at < len(asked.searches) else None
            found = Page(records=rows.records, next_token=next_token)
            return _complete(transport, found) if spec.with_aliases else Success(found)
    return Success(Page(records=()))


def _after(asked: ServerSearches, place: _Place, rows: Page) -> _Place:
    """Where to go on after some rows: in the same search, or in the next that is still to be asked."""
    found_any = place.found_any or bool(rows.records)
    if rows.next_token is not None:
        return _Place(place.at, found_any, rows.next_token)
    at = place.at + 1
    while at < len(asked.searches) and asked.searches[at].is_last_resort and found_any:
        at += 1
    return _Place(at, found_any)


def _page(
    transport: Asking, spec: SearchSpec, search: ServerSearch, order_by: tuple[str, ...], token: PageToken
) -> Result[Page, MlopusError]:
    page = PageRequest(filter=search.filter, order_by=order_by, page_size=spec.page_size, token=token)
    match spec.kind:
        case "experiment":
            return transport.call(search_experiments_request(page, spec.view), search_experiments_from_reply)
        case "run":
            request = search_runs_request(page, search.exp_ids, spec.view)
            return transport.call(request, search_runs_from_reply)
        case "model":
            return transport.call(search_models_request(page), search_models_from_reply)
        case "model version":
            return transport.call(search_versions_request(page), search_versions_from_reply)
        case _:
            assert_never(spec.kind)


def _complete(transport: Asking, page: Page) -> Result[Page, MlopusError]:
    """The page with the aliases of its versions, which a search of versions leaves out."""
    names = frozenset(record.name for record in page.records if isinstance(record, VersionRecord))
    if not names:
        return Success(page)
    models = _models(transport, names)
    if isinstance(models, Failure):
        return models
    aliases = aliases_of(models.unwrap())
    records = tuple(
        attrs.evolve(record, aliases=aliases.get((record.name, record.version), ()))
        if isinstance(record, VersionRecord)
        else record
        for record in page.records
    )
    return Success(attrs.evolve(page, records=records, beside=models.unwrap()))


def _models(transport: Asking, names: frozenset[str]) -> Result[tuple[ModelRecord, ...], MlopusError]:
    """The models of these names: a few one by one, many by the page. One that is gone is left out."""
    if len(names) > MODELS_ASKED_ONE_BY_ONE:
        return _models_by_page(transport, names)
    models: list[ModelRecord] = []
    for name in sorted(names):
        model = transport.call(get_model_request(name), model_from_reply)
        if isinstance(model, Success):
            models.append(model.unwrap())
        elif not isinstance(model.failure(), NotFound):
            return model
    return Success(tuple(models))


def _models_by_page(transport: Asking, names: frozenset[str]) -> Result[tuple[ModelRecord, ...], MlopusError]:
    models: dict[str, ModelRecord] = {}
    for filter_ in ("", str(PROMPT)):
        token: PageToken = None
        while len(models) < len(names):
            request = PageRequest(filter=filter_, page_size=MAX_MODEL_PAGE, token=token)
            page = transport.call(search_models_request(request), search_models_from_reply)
            if isinstance(page, Failure):
                return page
            for record in page.unwrap().records:
                if isinstance(record, ModelRecord) and record.name in names:
                    models[record.name] = record
            token = page.unwrap().next_token
            if token is None:
                break
    return Success(tuple(models.values()))
