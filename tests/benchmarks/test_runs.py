"""The benchmark of found runs finds the same on both sides; how fast it is, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

import mlopus
from tests.benchmarks.runs import SIDES, Taken, beyond_parsing_s, by_httpx, by_mlopus, measure, prepare, rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.mlflow_server import MlflowServer


def test_both_sides_find_every_run(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    exp_ids = prepare(mlflow_server, str(tmp_path), 8)

    with httpx.Client(base_url=mlflow_server.uri, trust_env=False) as client:
        by_peer, parsing_s = by_httpx(client, exp_ids)

    assert by_peer == by_mlopus(mlopus.connect(mlflow_server.uri, cache_dir=tmp_path), exp_ids)[0] == 8
    assert parsing_s > 0
    times = measure(mlflow_server.uri, exp_ids, str(tmp_path), rounds=2)
    assert {side: len(taken) for side, taken in times.items()} == dict.fromkeys(SIDES, 2)


def test_ratios_are_to_the_bare_calls_and_parsing_is_taken_off() -> None:
    peer = (Taken(1.0, 0.3, 0.2), Taken(2.0, 0.3, 0.2), Taken(3.0, 0.3, 0.2))
    ours = (Taken(3.0, 0.6), Taken(3.0, 0.8), Taken(9.0, 0.7))
    times: dict[str, tuple[Taken, ...]] = dict(zip(SIDES, (peer, ours), strict=True))

    assert [(row.side, row.ratio) for row in rows(times)] == [(SIDES[0], 1.0), (SIDES[1], 1.5)]
    assert beyond_parsing_s(times) == 0.7 - 0.2
