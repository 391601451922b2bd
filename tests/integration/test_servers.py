"""The fixtures themselves: a real server, its own client, and the proxy that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.servers.fixtures import SHARED_SERVERS
from tests.servers.messages import Answer
from tests.servers.mlflow_server import running_server
from tests.servers.shared import ServerDidNotStart

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.fixtures import StartPrefix, StartProxy
    from tests.servers.mlflow_server import MlflowServer

PING = "GET /version"


@pytest.mark.parametrize("name", sorted(SHARED_SERVERS))
def test_a_server_is_the_version_that_was_asked_for(name: str, request: pytest.FixtureRequest) -> None:
    server: MlflowServer = request.getfixturevalue(name)

    auth = None if server.username is None else (server.username, server.password or "")
    version = httpx.get(f"{server.uri}/version", auth=auth).text

    assert version == server.version


def test_a_server_behind_a_path_is_found_there_and_nowhere_else(
    mlflow_server: MlflowServer, prefix_proxy: StartPrefix
) -> None:
    uri = prefix_proxy(mlflow_server.uri, "/team/mlflow")

    within, beside = httpx.get(f"{uri}/version"), httpx.get(f"{uri.removesuffix('/team/mlflow')}/version")

    assert (within.text, beside.status_code) == (mlflow_server.version, 404)


def test_mlflows_own_client_writes_and_reads_a_run(mlflow_server: MlflowServer) -> None:
    seen = mlflow_server.run_mlflow_client(
        """
        import mlflow
        mlflow.set_experiment(name)
        with mlflow.start_run() as run:
            mlflow.log_param("depth", 3)
            mlflow.log_text("hello", "notes/hello.txt")
        data = mlflow.get_run(run.info.run_id).data
        text = mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/hello.txt")
        print(json.dumps({"params": data.params, "text": text, "at": run.info.artifact_uri.split(":")[0]}))
        """,
        name="written by mlflow's client",
    )

    assert seen == {"params": {"depth": "3"}, "text": "hello", "at": "mlflow-artifacts"}


def test_mlflows_own_client_logs_a_model_and_registers_it(mlflow_server: MlflowServer) -> None:
    seen = mlflow_server.run_mlflow_client(
        """
        import mlflow.sklearn, sklearn.linear_model
        model = sklearn.linear_model.LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
        mlflow.set_experiment(name)
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model, name="line", registered_model_name=name, serialization_format="cloudpickle"
            )
        loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
        print(json.dumps(loaded.predict([[2.0]]).tolist()))
        """,
        name="model of mlflow's client",
    )

    assert seen == [pytest.approx(5.0)]


def test_a_failing_snippet_shows_its_traceback(mlflow_server: MlflowServer) -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        mlflow_server.run_mlflow_client("raise LookupError('no such thing')")


def test_a_server_with_users_refuses_a_stranger(mlflow_auth_server: MlflowServer) -> None:
    reply = httpx.get(f"{mlflow_auth_server.uri}/version")

    assert reply.status_code == httpx.codes.UNAUTHORIZED


def test_a_server_with_users_lets_its_user_in(mlflow_auth_server: MlflowServer) -> None:
    experiments = mlflow_auth_server.run_mlflow_client(
        "import mlflow; print(json.dumps([found.name for found in mlflow.search_experiments()]))"
    )

    assert "Default" in experiments


def test_the_proxy_counts_each_request_of_a_client(
    mlflow_server: MlflowServer, counting_proxy: StartProxy
) -> None:
    proxy = counting_proxy(mlflow_server.uri)

    with httpx.Client(base_url=proxy.uri) as client:
        client.get("/version")
        client.get("/version", params={"again": "yes"})
        client.post("/api/2.0/mlflow/experiments/search", json={"max_results": 1})

    assert proxy.calls == (PING, PING, "POST /api/2.0/mlflow/experiments/search")
    assert proxy.requests[1].query == (("again", "yes"),)
    assert proxy.requests[2].json() == {"max_results": 1}
    assert proxy.connections == 1


def test_the_proxy_hands_bytes_on_unchanged_both_ways(
    mlflow_server: MlflowServer, counting_proxy: StartProxy
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    url = f"{proxy.uri}/api/2.0/mlflow-artifacts/artifacts/through-the-proxy.bin"
    content = bytes(range(256)) * 1000

    sent = httpx.put(url, content=iter([content[:1000], content[1000:]]))
    received = httpx.get(url)

    assert sent.is_success
    assert received.content == content


def test_the_proxy_can_answer_in_the_servers_place(
    mlflow_server: MlflowServer, counting_proxy: StartProxy
) -> None:
    proxy = counting_proxy(mlflow_server.uri, instead=lambda _: busy_at_first(len(proxy.requests)))

    statuses = [httpx.get(f"{proxy.uri}/version").status_code for _ in range(2)]

    assert statuses == [503, 200]


def test_the_proxy_can_lose_a_reply_that_the_server_gave(
    mlflow_server: MlflowServer, counting_proxy: StartProxy
) -> None:
    given: list[Answer] = []
    proxy = counting_proxy(
        mlflow_server.uri, spoil=lambda _, answer: given.append(answer) or Answer(hang_up=True)
    )

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{proxy.uri}/version")

    assert [answer.status for answer in given] == [200]


@pytest.mark.server
def test_a_server_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database, though long enough for one " * 50)

    with pytest.raises(ServerDidNotStart, match="file is not a database"), running_server(tmp_path):
        pytest.fail("it started on a broken database")


def busy_at_first(requests_so_far: int) -> Answer | None:
    return Answer(status=503) if requests_so_far == 1 else None
