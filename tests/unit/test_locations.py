"""What the source of a version says of where its bytes are, and what is read again is equal."""

from __future__ import annotations

import pytest

from mlopus.domain.locations import location_of_source, path_of_version, run_path_named_by
from mlopus.domain.values import decode_metrics

REPO = "mlflow-artifacts:/1/r/artifacts"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("runs:/r/model", ("r", "model")),
        ("runs:/r/a/b c/é", ("r", "a/b c/é")),
        ("runs:/r/model/", ("r", "model")),
        ("runs:/r/", ("r", "")),
        ("runs:/r", ("r", "")),
        ("runs:/r/../other", None),
        ("runs:/r/a//b", None),
        ("runs:/r//", None),
        ("runs:/r/a\nb", None),
        ("runs:/", None),
        ("models:/m-0123", None),
        (f"{REPO}/model", None),
    ],
)
def test_a_runs_source_names_a_run_and_a_plain_path(source: str, named: tuple[str, str] | None) -> None:
    assert run_path_named_by(source) == named


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (f"{REPO}/model", "model"),
        ("runs:/r/model", "model"),
        ("runs:/other/model", None),
        ("runs:/r/../model", None),
        (f"{REPO}/../model", None),
        ("s3://bucket/model", None),
    ],
)
def test_the_path_in_the_run_is_told_where_the_source_names_that_run(source: str, path: str | None) -> None:
    assert path_of_version(source, "r", REPO) == path


def test_a_source_that_only_a_server_can_follow_is_nowhere_yet() -> None:
    sources = ("runs:/other/model", "models:/ranker/1", "models:/ranker@champion")

    assert [location_of_source(source, "r", REPO) for source in sources] == [None] * 3


def test_metrics_that_are_no_number_are_equal_when_they_are_read_again() -> None:
    assert decode_metrics({"a": float("nan")}) == decode_metrics({"a": float("nan")})
