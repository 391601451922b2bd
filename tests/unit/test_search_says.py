"""What a search says before it asks anybody, and when it cannot do what it was asked."""

from __future__ import annotations

import sys

import attrs
import pytest

import mlopus
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache

SERVER = "http://127.0.0.1:5000"


@attrs.frozen
class ReadOnlyCache(MemoryMetadataCache):
    @property
    def is_writable(self) -> bool:
        return False


def test_explain_shows_the_servers_filter_though_no_experiment_is_named() -> None:
    said = mlopus.connect(SERVER).find_runs({"metrics.acc": {"$gt": 0.5}}).explain()

    assert "pushes   runs in experiments that are active: metrics.`acc` > 0.5" in said


def test_explain_shows_the_experiments_that_a_query_names() -> None:
    said = mlopus.connect(SERVER).find_runs({"exp.id": {"$in": ["7", "9"]}}).explain()

    assert "pushes   runs in experiments 7, 9: all" in said


def test_caching_a_search_where_nothing_can_be_written_is_a_failure() -> None:
    api = mlopus.testing.in_memory()
    read_only = mlopus.MlflowApi(tracking=api.repositories.tracking, cache=ReadOnlyCache())

    assert isinstance(read_only.find_exps().cache().failure(), mlopus.errors.StoreFailed)


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match=r"mlopus\[pandas\]"):
        mlopus.testing.in_memory().find_exps().to_pandas()
