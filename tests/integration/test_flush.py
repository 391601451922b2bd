"""Flushing: a server holds in the end what an online run would have left, whatever happens in between."""

from __future__ import annotations

import json
import random
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunStatus, or_raise
from mlopus.errors import InvalidRequest, NotFound, OfflineMode, Unreachable
from tests.integration import flush_kills
from tests.integration.offline_job import Content, content_of, times_of, train
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer


@pytest.fixture(scope="module")
def expected(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the job leaves that runs online."""
    folder, name = tmp_path_factory.mktemp("online"), new_name()
    api = mlopus.connect(mlflow_server.uri, cache_dir=folder / "cache")
    train(api, name, folder / "source")
    return content_of(api, name)


def offline(uri: str, folder: Path) -> MlflowApi:
    return mlopus.connect(uri, cache_dir=folder / "cache", offline_mode=True, journal=True)


def online(uri: str, folder: Path, **settings: float) -> MlflowApi:
    return mlopus.connect(uri, cache_dir=folder / "cache", **settings)


def test_the_server_holds_what_an_online_run_leaves(
    mlflow_server: MlflowServer, expected: Content, tmp_path: Path
) -> None:
    name, api = new_name(), online(mlflow_server.uri, tmp_path)
    without_server = offline(mlflow_server.uri, tmp_path)
    train(without_server, name, tmp_path / "source")
    written = times_of(without_server, name)
    report = or_raise(api.flush())

    assert report.is_complete
    assert content_of(api, name) == expected
    assert times_of(api, name) == written
    assert or_raise(api.pending()) == ()


def test_flushing_killed_again_and_again_ends_as_an_online_run(
    mlflow_server: MlflowServer, expected: Content, tmp_path: Path
) -> None:
    """Journals that are flushed by processes that are killed by signal 9: 50 kills in all at least."""
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")  # noqa: T201 (to be run again)
    chance = random.Random(seed)  # noqa: S311 (nothing is kept secret)
    names = [new_name() for _ in range(5)]
    programs = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.integration.flush_kills",
                mlflow_server.uri, name, str(tmp_path), str(chance.randrange(10**6)), "10",
            ],
            stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    told = [json.loads(program.communicate()[0]) for program in programs]
    print(told)  # noqa: T201 (how many there were of each kind)

    assert [program.returncode for program in programs] == [0] * 5
    assert sum(one["at_steps"] + one["at_moments"] for one in told) >= 50
    api = online(mlflow_server.uri, tmp_path)
    flushed = [name for one in told for name in one["names"]]
    assert [content_of(api, name) for name in flushed] == [expected] * len(flushed)


@pytest.mark.slow
def test_flushing_killed_at_any_step_ends_as_an_online_run(
    mlflow_server: MlflowServer, expected: Content, tmp_path: Path
) -> None:
    """Before and after every step of a flush, each in a journal of its own, which is flushed again."""
    api = online(mlflow_server.uri, tmp_path)
    step = 0
    while True:
        step, name = step + 1, new_name()
        script = (
            "from pathlib import Path; from tests.integration.flush_kills import kill_at; "
            f"print(kill_at({mlflow_server.uri!r}, {name!r}, Path({str(tmp_path / name)!r}), {step}))"
        )
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        assert content_of(api, name) == expected, f"killed at step {step}"
        if done.stdout.strip() == "False":
            break
    print(f"{step - 1} kills")  # noqa: T201 (how many there were)
    assert step > 60


@pytest.mark.slow
def test_flushing_killed_at_200_moments_ends_as_an_online_run(
    mlflow_server: MlflowServer, expected: Content, tmp_path: Path
) -> None:
    seed, kills = secrets.randbelow(10**6), 0
    print(f"seed {seed}")  # noqa: T201 (to be run again)
    chance = random.Random(seed)  # noqa: S311 (nothing is kept secret)
    api = online(mlflow_server.uri, tmp_path)
    while kills < 200:
        name = new_name()
        told = _killed_program(mlflow_server.uri, name, tmp_path, chance.randrange(10**6), 12)
        kills += told["at_steps"] + told["at_moments"]
        assert [content_of(api, one) for one in told["names"]] == [expected] * len(told["names"]), told
    print(f"{kills} kills")  # noqa: T201 (how many there were)


def _killed_program(uri: str, name: str, folder: Path, seed: int, kills: int) -> dict[str, Any]:
    command = [sys.executable, "-m", flush_kills.__name__, uri, name, str(folder), str(seed), str(kills)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


LOST = {
    "hang up": lambda _: Answer(hang_up=True),
    "gateway": lambda _: Answer(status=502),
    "html": lambda _: Answer.of_html(),
}


@pytest.mark.parametrize("how", sorted(LOST))
def test_replies_that_are_lost_after_the_commit_leave_nothing_twice(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, expected: Content, tmp_path: Path, how: str
) -> None:
    """The first reply to each kind of change is lost."""
    lost: set[str] = set()

    def spoil(request: SeenRequest, answer: Answer) -> Answer:
        if request.method == "GET" or request.path.endswith("/search") or request.path in lost:
            return answer
        lost.add(request.path)
        return LOST[how](answer)

    name, proxy = new_name(), counting_proxy(mlflow_server.uri, spoil=spoil)
    train(offline(proxy.uri, tmp_path), name, tmp_path / "source")
    api = online(proxy.uri, tmp_path, backoff_s=0.0, timeout_s=5.0)
    for _ in range(3):
        if or_raise(api.flush()).is_complete:
            break

    assert or_raise(api.pending()) == ()
    assert content_of(online(mlflow_server.uri, tmp_path), name) == expected
    assert len(lost) >= 8


def test_a_write_that_the_server_refuses_stays_with_what_depends_on_it_and_nothing_else(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    name, api = new_name(), online(mlflow_server.uri, tmp_path)
    gone = or_raise(api.create_exp(new_name()))
    or_raise(api.delete_exp(gone))
    queued = offline(mlflow_server.uri, tmp_path)
    run = or_raise(or_raise(queued.get_or_create_exp(name)).start_run("good"))
    refused = or_raise(queued.start_run(gone, "refused"))
    or_raise(run.log_params({"lr": 0.1}))
    or_raise(queued.log_params(refused, {"lr": 0.1}))
    or_raise(run.log_params({"lr": 0.2}))
    or_raise(run.log_metrics({"loss": 0.5}))
    or_raise(run.end_run())
    report = or_raise(api.flush())

    fates = [(write.verb, write.fate) for write in report.writes]
    assert fates == [
        ("get_or_create_exp", "sent"),
        ("start_run", "sent"),
        ("start_run", "refused"),
        ("log_params", "sent"),
        ("log_params", "waits"),
        ("log_params", "refused"),
        ("log_metrics", "sent"),
        ("end_run", "sent"),
    ]
    assert isinstance(report.writes[2].error, InvalidRequest)
    left = or_raise(api.pending())
    assert [write.verb for write in left] == ["start_run", "log_params", "log_params"]
    assert [write.error is None for write in left] == [False, True, False]
    there = or_raise(api.get_run(run))
    assert (there.params, there.metrics, there.status) == ({"lr": 0.1}, {"loss": 0.5}, RunStatus.FINISHED)


def test_what_was_refused_is_sent_once_the_server_takes_it(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    api, queued = online(mlflow_server.uri, tmp_path), offline(mlflow_server.uri, tmp_path)
    exp = or_raise(api.create_exp(new_name()))
    or_raise(api.delete_exp(exp))
    run = or_raise(queued.start_run(exp, "later"))
    or_raise(run.log_metrics({"loss": 0.5}, step=3))
    first = [write.fate for write in or_raise(api.flush()).writes]
    or_raise(api.restore_exp(exp))
    second = [write.fate for write in or_raise(api.flush()).writes]

    assert (first, second) == (["refused", "waits"], ["sent", "sent"])
    assert or_raise(api.get_run(run)).metrics == {"loss": 0.5}


def test_two_processes_that_flush_at_once_send_each_write_once(
    mlflow_server: MlflowServer, expected: Content, tmp_path: Path
) -> None:
    name = new_name()
    queued = offline(mlflow_server.uri, tmp_path)
    train(queued, name, tmp_path / "source")
    waiting = len(or_raise(queued.pending()))
    script = f"""
import mlopus
report = mlopus.connect({mlflow_server.uri!r}, cache_dir={str(tmp_path / "cache")!r}).flush().unwrap()
print(sum(write.fate == "sent" for write in report.writes))
"""
    flushes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    sent = [int(flush.communicate()[0]) for flush in flushes]

    assert sum(sent) == waiting
    assert content_of(online(mlflow_server.uri, tmp_path), name) == expected


def test_what_another_process_has_claimed_is_sent_only_if_it_is_taken_over(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    api, queued = online(mlflow_server.uri, tmp_path), offline(mlflow_server.uri, tmp_path)
    or_raise(queued.get_or_create_exp(new_name()))
    elsewhere = attrs.evolve(queued.repositories.journal, process="00000000-1-1-0")  # type: ignore[misc]
    elsewhere.claim(take_over=False).unwrap()

    assert [write.fate for write in or_raise(api.flush()).writes] == ["unsent"]
    assert [write.fate for write in or_raise(api.flush(take_over=True)).writes] == ["sent"]


def test_a_run_whose_process_died_is_running_until_it_is_marked_dead(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    script = f"""
import mlopus, os, signal
api = mlopus.connect({mlflow_server.uri!r}, cache_dir={cache!r}, offline_mode=True, journal=True).raising
run = api.get_or_create_exp({new_name()!r}).start_run("r1")
run.log_metrics({{"loss": 0.5}})
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    run_id, api = died.stdout.strip(), online(mlflow_server.uri, tmp_path)
    last = or_raise(api.pending())[-1].written_at
    or_raise(api.flush())
    before = or_raise(api.get_run(run_id))
    report = or_raise(api.flush(mark_dead=True))
    after = or_raise(api.get_run(run_id))

    assert died.returncode == -signal.SIGKILL
    assert (before.status, before.end_time) == (RunStatus.RUNNING, None)
    assert report.ended_runs == (before.id,)
    assert after.status is RunStatus.FAILED
    assert after.end_time is not None
    assert abs((after.end_time - last).total_seconds()) < 0.002
    assert or_raise(api.flush(mark_dead=True)).ended_runs == ()


def test_a_run_of_a_living_process_is_never_marked_dead(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    api, queued = online(mlflow_server.uri, tmp_path), offline(mlflow_server.uri, tmp_path)
    run = or_raise(or_raise(queued.get_or_create_exp(new_name())).start_run())

    assert or_raise(api.flush(mark_dead=True)).ended_runs == ()
    assert or_raise(api.get_run(run)).status is RunStatus.RUNNING


def test_provisional_names_stay_usable(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    name, api = new_name(), online(mlflow_server.uri, tmp_path)
    queued = offline(mlflow_server.uri, tmp_path)
    exp = or_raise(queued.get_or_create_exp(name))
    run = or_raise(exp.start_run("r1"))
    or_raise(queued.get_or_create_model(name))
    version = or_raise(run.log_model_version(name, lambda path: path.write_text("w"), "model"))
    assert isinstance(api.get_run(run.id).failure(), NotFound)
    or_raise(api.flush())

    for each in (api, queued):
        found = or_raise(each.get_run(run.id))
        assert not found.id.startswith("provisional")
        assert or_raise(each.get_exp(exp.id)) == found.exp
        assert or_raise(each.get_model_version((name, version.version))).version == "1"
        assert or_raise(each.get_model_artifact(version)).read_text() == "w"
        assert [one.id for one in or_raise(each.find_runs({"exp.name": name}).all())] == [found.id]
    assert or_raise(run.log_params({"more": 1})).params == {"more": 1}
    or_raise(run.end_run())
    or_raise(api.flush())
    assert or_raise(api.get_run(run)).params == {"more": 1}
    assert or_raise(api.get_run(run)).status is RunStatus.FINISHED


def test_a_server_that_is_not_there_loses_nothing(tmp_path: Path) -> None:
    uri = "http://127.0.0.1:9"
    or_raise(offline(uri, tmp_path).get_or_create_exp("demo"))
    report = or_raise(online(uri, tmp_path, retry_for_s=0.1).flush())

    assert [write.fate for write in report.writes] == ["unsent"]
    assert isinstance(report.writes[0].error, Unreachable)
    assert len(or_raise(offline(uri, tmp_path).pending())) == 1


def test_offline_nothing_is_flushed(tmp_path: Path) -> None:
    assert isinstance(offline("http://127.0.0.1:9", tmp_path).flush().failure(), OfflineMode)


def test_points_that_were_journalled_one_by_one_are_sent_in_full_batches(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api, queued = online(proxy.uri, tmp_path), offline(proxy.uri, tmp_path)
    exp = or_raise(queued.get_or_create_exp(new_name()))
    runs = [or_raise(exp.start_run()) for _ in range(2)]
    for step in range(600):
        for run in runs:
            or_raise(queued.log_metrics(run, {"loss": float(step), "acc": 1.0}, step=step))
    proxy.forget()
    or_raise(api.flush())

    assert proxy.count("POST /api/2.0/mlflow/runs/log-batch") == 4
    for run in runs:
        assert [point.step for point in or_raise(api.metric_history(run, "loss"))] == list(range(600))


def test_a_flush_that_is_repeated_asks_for_nothing(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api = online(proxy.uri, tmp_path)
    or_raise(or_raise(offline(proxy.uri, tmp_path).get_or_create_exp(new_name())).start_run())
    or_raise(api.flush())
    proxy.forget()
    or_raise(api.flush())

    assert len(proxy.requests) == 0
