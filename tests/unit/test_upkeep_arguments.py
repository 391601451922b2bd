"""What verbs that rename, untag and alias refuse before anything is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlopus.api import upkeep_calls as calls
from mlopus.api.client import MlflowApi
from mlopus.domain.entities import Model, ModelVersion
from mlopus.domain.keys import AliasKey, VersionKey, why_no_alias
from mlopus.errors import InvalidValue
from mlopus.plans.upkeep_requests import AliasVersion, DeleteEntityTags

API = MlflowApi()
RANKER = Model(name="ranker")
VERSION = ModelVersion(version="3", model=RANKER, run=None, path_in_run=None, source="s3://b/3")
V3, CHAMPION = VersionKey("ranker", "3"), AliasKey("ranker", "champion")


@pytest.mark.parametrize(
    ("version", "key"),
    [
        *((3, V3), ("3", V3), (VERSION, V3), (("ranker", 3), V3), ("models:/ranker/3", V3)),
        *(
            ("@champion", CHAMPION),
            (("ranker", "@champion"), CHAMPION),
            ("models:/ranker@champion", CHAMPION),
        ),
    ],
)
def test_the_version_of_an_alias_is_given_in_every_form(version: object, key: object) -> None:
    call = calls.set_alias(API, "ranker", "best", version)  # type: ignore[arg-type]  # rows are data
    assert call.unwrap().request == AliasVersion(alias="best", version=key)  # type: ignore[arg-type]


@pytest.mark.parametrize("alias", ["best", "@best"])
def test_an_alias_is_given_with_its_at_or_without(alias: str) -> None:
    assert calls.set_alias(API, RANKER, alias, 3).unwrap().request == AliasVersion(alias="best", version=V3)


def test_a_version_of_another_model_is_refused() -> None:
    assert "another model" in str(calls.set_alias(API, "other", "best", VERSION).failure())


@pytest.mark.parametrize("alias", ["", "a b", "a.b", "a/b", "latest", "Latest", "v3", "V12", "x" * 256])
def test_an_alias_that_servers_refuse_is_refused(alias: str) -> None:
    assert isinstance(calls.set_alias(API, "ranker", alias, 3).failure(), InvalidValue)


@pytest.mark.parametrize("alias", ["champion", "Prod-EU_2", "7", "v", "v3a", "é", "x" * 255])
def test_an_alias_that_servers_take_is_taken(alias: str) -> None:
    assert why_no_alias(alias) is None


@pytest.mark.parametrize(
    "refused",
    [
        lambda: calls.rename_exp(API, "1", " "),
        lambda: calls.rename_run(API, "3f2a", ""),
        lambda: calls.rename_model(API, "ranker", "team/ranker"),
        lambda: calls.delete_tags_on_run(API, "3f2a", ["a", ""]),
        lambda: calls.delete_alias(API, "ranker", "a b"),
        lambda: calls.set_alias(API, "ranker", "best", "three"),
        lambda: calls.delete_model_version(API, "ranker/3"),
        lambda: calls.set_description_on_model(API, " ", "text"),
    ],
)
def test_a_bad_value_is_refused(refused: Callable[[], object]) -> None:
    assert isinstance(refused().failure(), InvalidValue)  # type: ignore[attr-defined]  # each is a Result


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: calls.delete_tags_on_exp(API, "1", "stage"),
        lambda: calls.delete_tags_on_exp(API, "1", [1]),  # type: ignore[list-item]
        lambda: calls.rename_exp(API, "1", 5),  # type: ignore[arg-type]
        lambda: calls.set_description_on_run(API, "3f2a", None),  # type: ignore[arg-type]
        lambda: calls.set_alias(API, "ranker", 5, 3),  # type: ignore[arg-type]
        lambda: calls.set_alias(API, "ranker", "best", True),
        lambda: calls.set_alias(API, "ranker", "best", 3.0),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_is_a_type_error(wrong: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        wrong()


def test_keys_of_tags_are_asked_once_and_in_order() -> None:
    request = calls.delete_tags_on_exp(API, "1", iter(["b", "a", "b"])).unwrap().request
    assert isinstance(request, DeleteEntityTags)
    assert request.keys == ("a", "b")
