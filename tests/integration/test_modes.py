"""Who answers, the server or the cache, as the settings say; on a real server that can go away."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, errors, or_raise
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer


@attrs.frozen(kw_only=True)
class Served:
    """A run on a server behind a proxy, cached with its notes; `down` makes the server unavailable."""

    proxy: Loopback
    run: RunApi
    cache: Path
    down: list[bool]

    def api(self, **settings: Any) -> MlflowApi:
        """An API on the same cache, that gives up soon."""
        return mlopus.connect(self.proxy.uri, cache_dir=self.cache, max_retries=0, **settings)

    def change_run(self) -> None:
        """Let somebody else change the run."""
        elsewhere = mlopus.connect(self.proxy.uri, cache_dir=self.cache.with_name("elsewhere"))
        or_raise(elsewhere.set_tags_on_run(self.run.id, {"state": "changed"}))


@pytest.fixture
def served(mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path) -> Served:
    down: list[bool] = []

    def instead(_: SeenRequest) -> Answer | None:
        return Answer(status=503) if down else None

    proxy = counting_proxy(mlflow_server.uri, instead=instead)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.create_exp(new_name())).start_run("r", tags={"state": "first"}))
    or_raise(run.log_artifact(lambda path: path.write_text("first"), "notes.txt"))
    or_raise(run.cache_meta())
    proxy.forget()
    return Served(proxy=proxy, run=run, cache=tmp_path / "cache", down=down)


def test_online_the_server_is_asked(served: Served) -> None:
    served.change_run()

    run = or_raise(served.api().get_run(served.run.id))

    assert (run.tags["state"], run.as_of) == ("changed", None)


def test_online_a_server_that_is_down_is_no_reason_to_answer_from_the_cache(served: Served) -> None:
    served.down.append(True)

    failure = served.api().get_run(served.run.id).failure()

    assert isinstance(failure, errors.ServerFailed)
    assert "503" in str(failure)


def test_cache_first_what_is_young_enough_is_answered_without_a_request(served: Served) -> None:
    run = or_raise(served.api(max_age_s=3600).get_run(served.run.id))

    assert (run.tags["state"], served.proxy.calls) == ("first", ())
    assert run.as_of is not None


def test_cache_first_what_is_too_old_is_asked_for(served: Served) -> None:
    served.change_run()

    run = or_raise(served.api(max_age_s=0).get_run(served.run.id))

    assert (run.tags["state"], run.as_of) == ("changed", None)


def test_cache_first_what_is_too_old_is_answered_when_the_server_is_down(served: Served) -> None:
    served.down.append(True)

    run = or_raise(served.api(max_age_s=0).get_run(served.run.id))

    assert run.tags["state"] == "first"
    assert run.as_of is not None


def test_cache_first_what_was_never_cached_is_asked_for(served: Served) -> None:
    other = or_raise(served.api(cache_metadata_on_read="none").start_run(served.run.exp, "other"))

    run = or_raise(served.api(max_age_s=math.inf).get_run(other.id))

    assert run.name == "other"


def test_cache_first_a_refresh_asks_the_server(served: Served) -> None:
    served.change_run()

    run = or_raise(served.api(max_age_s=math.inf).get_run(served.run.id, refresh=True))

    assert run.tags["state"] == "changed"


def test_what_a_read_got_is_found_offline_as_long_as_reads_are_kept(served: Served) -> None:
    served.change_run()
    or_raise(served.api(cache_metadata_on_read="none").get_run(served.run.id))
    before = or_raise(served.api(offline_mode=True).get_run(served.run.id))
    or_raise(served.api().get_run(served.run.id))
    after = or_raise(served.api(offline_mode=True).get_run(served.run.id))

    assert (before.tags["state"], after.tags["state"]) == ("first", "changed")


def test_what_a_search_found_is_found_offline_if_searches_are_kept(served: Served) -> None:
    served.change_run()
    query = {"exp.id": served.run.exp.id, "tags.state": "changed"}
    or_raise(served.api().find_runs(query).all())
    before = or_raise(served.api(offline_mode=True).find_runs(query).count())
    or_raise(served.api(cache_metadata_on_read="all").find_runs(query).all())
    after = or_raise(served.api(offline_mode=True).find_runs(query).count())

    assert (before, after) == (0, 1)


def test_what_a_search_found_is_found_offline_after_it_was_cached(served: Served) -> None:
    served.change_run()
    query = {"exp.id": served.run.exp.id, "tags.state": "changed"}

    count = or_raise(served.api().find_runs(query).cache())

    assert count == or_raise(served.api(offline_mode=True).find_runs(query).count()) == 1


def test_offline_an_experiment_that_was_never_cached_is_no_empty_answer(served: Served) -> None:
    offline = served.api(offline_mode=True)

    failure = offline.find_runs({"exp.id": "987654321"}).all().failure()

    assert isinstance(failure, errors.NotCached)
    assert "987654321" in str(failure)
    assert served.proxy.calls == ()


def test_offline_what_was_never_cached_names_what_to_call_while_online(served: Served) -> None:
    failure = served.api(offline_mode=True).get_run_artifact(served.run.id, "no such").failure()

    assert isinstance(failure, errors.NotCached)
    assert "cache_run_artifact" in (failure.hint or "")


def test_what_this_api_published_is_served_offline(served: Served) -> None:
    notes = or_raise(served.api(offline_mode=True).get_run_artifact(served.run.id, "notes.txt"))

    assert notes.read_text() == "first"


def test_a_hit_is_compared_with_the_store_only_where_that_was_asked_for(served: Served) -> None:
    elsewhere = mlopus.connect(served.proxy.uri, cache_dir=served.cache.with_name("elsewhere"))
    or_raise(elsewhere.log_run_artifact(served.run.id, lambda path: path.write_text("later"), "notes.txt"))

    held = or_raise(served.api().get_run_artifact(served.run.id, "notes.txt"))
    pulled = or_raise(served.api(always_pull_artifacts=True).get_run_artifact(served.run.id, "notes.txt"))

    assert (held.read_text(), pulled.read_text()) == ("first", "later")


def test_a_cache_alone_is_enough_to_work_offline(served: Served) -> None:
    alone = mlopus.connect(cache_dir=served.cache, offline_mode=True)

    run = or_raise(alone.get_run(served.run.id))

    assert (run.name, or_raise(run.get_artifact("notes.txt")).read_text()) == ("r", "first")


def test_what_is_behind_the_server_is_never_pulled_offline(served: Served, socket_events: list[str]) -> None:
    or_raise(served.run.clean_cached_artifact("notes.txt"))
    api = served.api(offline_mode=True, pull_artifacts_in_offline_mode=True)
    served.proxy.forget()
    socket_events.clear()

    failures = (
        api.get_run_artifact(served.run.id, "notes.txt").failure(),
        api.list_run_artifacts(served.run.id).failure(),
        api.open_artifact(served.run.id, "notes.txt").failure(),
        api.cache_run_artifact(served.run.id, "notes.txt").failure(),
        api.export_run_artifact(served.run.id, served.cache.with_name("carried"), "notes.txt").failure(),
    )

    assert [type(failure).__name__ for failure in failures] == [
        "NotCached",
        "NotCached",
        "OfflineMode",
        "OfflineMode",
        "NotCached",
    ]
    assert (served.proxy.calls, socket_events) == ((), [])
