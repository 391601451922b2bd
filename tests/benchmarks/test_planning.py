"""The benchmark of planning plans, simulates and keeps what it says; how fast that is, no test asks."""

from __future__ import annotations

import pytest

from mlopus.plans.copy_steps import CopyFiles
from mlopus.plans.planner import plan
from mlopus.plans.steps import UploadFiles
from tests.benchmarks.planning import BARS_S, copy, publish, rows


def test_a_publish_sends_as_many_files_as_are_asked_for() -> None:
    request, facts = publish(20)
    (step,) = (step for step in plan(request, facts).unwrap().steps if isinstance(step, UploadFiles))

    assert len(step.files) == 20


def test_a_copy_brings_as_many_files_as_are_asked_for() -> None:
    request, facts = copy(200)
    (step,) = (step for step in plan(request, facts).unwrap().steps if isinstance(step, CopyFiles))

    assert sum(len(tree.files) for tree in step.trees) == 200


@pytest.mark.parametrize("subject", ["publish", "copy"])
def test_every_act_is_a_row_with_its_growth(subject: str) -> None:
    found = [row for row in rows(files=2_000, rounds=1) if row.subject == subject]

    assert [row.act for row in found] == list(BARS_S)
    assert all(row.growth > 0 for row in found)
