"""Texts that other languages take for syntax are texts in a search, whoever evaluates it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlopus import ExpApi, Failure, MlflowApi, or_raise
from tests.integration.stores import KINDS, Store, open_store

TEXTS = (
    *("it's", 'a "b"', "both ' and \"", "''", '""', "' OR '1' = '1", '" OR ""="', "back\\slash", "end\\"),
    *("`tick`", "100%", "a_b", "%", "_", "line\nbreak", "tab\there", "; DROP TABLE runs; --", "/* c */"),
    *("$ne", "$a.b", "日本 🦊 é", "(a|b)*[c]{2}^$+?", "?", ":1", "{v}", "{0}", "%s", "NULL", "x" * 3000),
)
NEVER_THERE = (
    "' OR 1 = 1 --",
    '" OR 1 = 1 --',
    "\x00",
    "\x1f",
    "a' AND tags.b = 'c",
    "x" * 10_000,
    "\\",
    "'",
)
KEYS = ("a.b", "with blank", "a/b", "é", "a-b:c", "0", "select", "a.b.c d/e")
ODD_KEYS = ("`", "a`b", "'", '"', "%", "_", "\\", "a`=1 OR tags.`b", "\n", "x" * 10_000, "🦊")
FIELDS = ("id", "name", "status", "exp.name", "exp.tags.t", "repo", "params.note", "tags.note", "metrics.m")


class Quoted:
    """Runs with those texts as tag, param and name, in the order of the texts; online and cached."""

    def __init__(self, store: Store) -> None:
        self.exp: ExpApi = store.new_exp()
        for text in TEXTS:
            run = or_raise(self.exp.start_run(name=text[:200], tags={"note": text}))
            or_raise(run.log_params({"note": text}))
        for key in KEYS:
            run = or_raise(self.exp.start_run(name=f"key {key}", tags={key: "there"}))
            or_raise(run.log_metrics({key: 1}))
        assert or_raise(store.api.find_runs({"exp.id": self.exp.id}).cache()) == len(TEXTS) + len(KEYS)
        self.apis = (store.api, store.offline)

    def found(self, api: MlflowApi, query: dict[str, Any]) -> list[str | None]:
        """The names of what a query finds."""
        return sorted(
            run.name or "" for run in or_raise(api.find_runs({"exp.id": self.exp.id} | query).all())
        )


@pytest.fixture(scope="module", params=(*KINDS, pytest.param("old server", marks=pytest.mark.server)))
def quoted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Quoted:
    folder: Path = tmp_path_factory.mktemp("quoted")
    return Quoted(open_store(request.param, request, folder))


@pytest.mark.parametrize("field", ["tags.note", "params.note", "name"])
def test_a_text_finds_the_run_that_has_it(quoted: Quoted, field: str) -> None:
    asked = [(text[:200] if field == "name" else text) for text in TEXTS]
    conditions = [(text, ask(text)) for text in asked for ask in (equal, pattern)]

    found = [
        (text, quoted.found(api, {field: condition})) for api in quoted.apis for text, condition in conditions
    ]

    assert [(text, names) for text, names in found if names != [text[:200]]] == []


def equal(text: str) -> Any:
    return text


def one_of(text: str) -> Any:
    return {"$in": [text, "' OR 1 = 1 --"]}


def pattern(text: str) -> Any:
    return {"$regex": f"^{re.escape(text)}$"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_text_that_no_run_has_finds_none(quoted: Quoted, field: str) -> None:
    conditions = [ask(text) for text in NEVER_THERE for ask in (equal, one_of, pattern)]

    found = [quoted.found(api, {field: condition}) for api in quoted.apis for condition in conditions]

    assert found == [[]] * len(found)


@pytest.mark.parametrize("root", ["tags", "metrics"])
def test_a_key_finds_the_run_that_has_it(quoted: Quoted, root: str) -> None:
    value = {"tags": "there", "metrics": 1}[root]

    found = [quoted.found(api, {f"{root}.{key}": value}) for api in quoted.apis for key in KEYS]

    assert found == [[f"key {key}"] for _ in quoted.apis for key in KEYS]


@pytest.mark.parametrize("root", ["tags", "metrics", "params", "exp.tags"])
def test_a_key_that_no_run_can_have_finds_none_and_orders_nothing(quoted: Quoted, root: str) -> None:
    everything = quoted.found(quoted.apis[0], {})

    for api in quoted.apis:
        for key in ODD_KEYS:
            path = f"{root}.{key}"
            in_order = api.find_runs({"exp.id": quoted.exp.id}, sorting=[(path, -1)])
            assert quoted.found(api, {path: {"$gte": 1}}) == []
            assert quoted.found(api, {path: None}) == everything
            assert len(or_raise(in_order.all())) == len(everything)


@pytest.mark.parametrize("text", NEVER_THERE, ids=lambda text: ascii(text)[:20])
def test_entities_of_a_name_that_nobody_has_are_not_found(quoted: Quoted, text: str) -> None:
    for api in quoted.apis:
        for search in (
            api.find_exps({"name": text}),
            api.find_models({"name": text}),
            api.find_model_versions({"model.name": text}),
            api.find_model_versions({"run.id": text}),
            api.find_model_versions({"source": text}),
        ):
            found: Any = or_raise(search.all())
            assert found == ()


def test_an_experiment_id_that_is_no_id_is_told_so_or_finds_none(quoted: Quoted) -> None:
    online = quoted.apis[0]

    for text in NEVER_THERE:
        result = online.find_runs({"exp.id": text}).all()
        assert isinstance(result, Failure) or result.unwrap() == ()
