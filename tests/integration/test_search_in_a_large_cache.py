"""Reading all of a cache by a search: what is held meanwhile, and what happens to rows that change."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus import MlflowApi, or_raise
from mlopus.api import searching
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, RunRecord
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache

URI = "http://server.invalid"
NOW = datetime(2024, 1, 1, tzinfo=UTC)
RUNS, PAGE_SIZE = 3000, 50
LEFT_OVER_BYTES = 50_000
"""Less than two pages of entities; all keys of the rows that are read between the two looks are 450 kB."""


def run(number: int, value: str = "a") -> RunRecord:
    params = immutabledict({"number": str(number), "value": value})
    return RunRecord(id=f"{number:032x}", exp_id="1", name="run", start_time=NOW, params=params)


def held_bytes() -> int:
    """What Python holds, without what it would collect soon."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteMetadataCache:
    monkeypatch.setattr(searching, "PAGE_SIZE", PAGE_SIZE)
    cache = SqliteMetadataCache(str(tmp_path), Origin.of(URI))
    exp = ExperimentRecord(id="1", name="exp")
    cache.put((exp, *map(run, range(RUNS))), NOW).unwrap()
    return cache


@pytest.fixture
def api(cache: SqliteMetadataCache) -> MlflowApi:
    return mlopus.connect(URI, cache_dir=cache.folder, offline_mode=True)


def test_reading_all_of_it_holds_one_page_at_a_time(api: MlflowApi) -> None:
    pages = api.find_runs().pages()
    tracemalloc.start()
    try:
        looks = [held_bytes() for number, _ in enumerate(pages, 1) if number in {10, RUNS // PAGE_SIZE}]
    finally:
        tracemalloc.stop()

    early, late = looks
    assert late - early < LEFT_OVER_BYTES


def test_what_is_cached_anew_meanwhile_comes_once(api: MlflowApi, cache: SqliteMetadataCache) -> None:
    found = ids_while_some_are_cached_anew(api, cache, None)

    assert len(found) == len(set(found)) == RUNS


@pytest.mark.parametrize("path", ["start_time", "params.value"])
def test_what_moves_to_a_later_page_meanwhile_does_not_come_again(
    path: str, api: MlflowApi, cache: SqliteMetadataCache
) -> None:
    found = ids_while_some_are_cached_anew(api, cache, [(path, 1)])

    assert len(found) == len(set(found))


def ids_while_some_are_cached_anew(api: MlflowApi, cache: SqliteMetadataCache, sorting: Any) -> list[str]:
    """What a search gives of which every tenth row is changed after the first page, so that it comes last."""
    pages = api.find_runs(sorting=sorting).pages()
    found = [or_raise(next(pages))]
    later = NOW + timedelta(days=1)
    changed = tuple(attrs.evolve(run(number, "z"), start_time=later) for number in range(0, RUNS, 10))
    cache.put(changed, NOW).unwrap()
    found += map(or_raise, pages)
    return [each.id for page in found for each in page]
