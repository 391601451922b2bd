from __future__ import annotations

from mlopus.repositories.sqlite.describe import describe
from mlopus.testing.contracts.tracking_case import spec


def test_what_sqlite_evaluates_is_told_beside_what_is_looked_at_again_and_why() -> None:
    query = {
        "params.lr": {"$in": [0.1, None]},
        "tags.layers": {"$elemMatch": {"$gt": 1}},
        "repo": "s3://a",
        "exp.name": "e",
    }

    told = describe(spec("run", query, [("metrics.acc", -1), ("repo", 1)]))

    assert (told.is_exact, told.is_sorted) == (True, True)
    assert told.evaluated == (
        "params.lr IN (0.1, None)",
        "exp.name = 'e'",
        "ORDER BY metrics.acc DESC",
    )
    assert told.rechecked == (
        "tags.layers IS A LIST: $elemMatch looks into the elements of lists",
        "repo = 's3://a': made when it is read",
        "ORDER BY repo: made when it is read",
    )


def test_everything_is_found_without_a_condition() -> None:
    assert describe(spec("model")).evaluated == ()


def test_negations_and_alternatives_are_told_as_they_are() -> None:
    query = {"$or": [{"metrics.a": {"$gt": 1, "$exists": True}}, {"$nor": [{"tags.b": {"$regex": "^x"}}]}]}

    (told,) = describe(spec("run", query)).evaluated

    assert told == "((metrics.a > 1 AND metrics.a EXISTS) OR NOT (tags.b REGEXP '^x'))"
