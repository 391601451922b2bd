"""What the environment and plugins say is asked once, at `connect`, and told to the right server only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus.domain.keys import RunKey
from mlopus.errors import IllegalPath, ServerFailed, Unreachable, UnreadableReply
from mlopus.result import Success
from tests.integration.mlflow_answers import API, GET_RUN, RUN, RUN_JSON, failure, one_after_another
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer

READ_AT_CONNECT = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "MLFLOW_REGISTRY_URI": "http://127.0.0.1:1",
    "MLFLOW_TRACKING_USERNAME": "late",
    "MLFLOW_TRACKING_PASSWORD": "late",
    "MLFLOW_TRACKING_TOKEN": "late",
    "MLFLOW_TRACKING_AUTH": "late",
    "MLFLOW_TRACKING_AWS_SIGV4": "true",
    "MLFLOW_TRACKING_INSECURE_TLS": "late",
    "MLFLOW_TRACKING_SERVER_CERT_PATH": "/late.pem",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH": "/late.pem",
    "MLFLOW_WORKSPACE": "late",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "late",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "late",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "late",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "late",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "late",
    "MLOPUS_OFFLINE": "1",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "REQUESTS_CA_BUNDLE": "/late.pem",
    "CURL_CA_BUNDLE": "/late.pem",
    "SSL_CERT_FILE": "/late.pem",
    "SSL_CERT_DIR": "/late",
}


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in READ_AT_CONNECT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def connected(uri: str, tmp_path: Path, **settings: Any) -> mlopus.MlflowApi:
    return mlopus.connect(uri, cache_dir=tmp_path / "cache", backoff_s=0.0, **settings)


def ask(api: mlopus.MlflowApi) -> Any:
    return api.repositories.tracking.get(RunKey("r1"))


def plugin(folder: Path, name: str, code: str) -> None:
    """Install a plugin of MLflow that adds headers: a module `<name>_plugin` with a class `Provider`."""
    (folder / f"{name}_plugin.py").write_text(code)
    info = folder / f"{name}_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[mlflow.request_header_provider]\n{name} = {name}_plugin:Provider\n"
    )


def provider(headers: str, *, in_context: str = "True") -> str:
    return (
        "class Provider:\n"
        f"    def in_context(self): return {in_context}\n"
        f"    def request_headers(self): return {headers}\n"
    )


# Proxies


def test_the_systems_proxy_is_asked_for_the_server(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = loopback(RUN)
    monkeypatch.setenv("HTTP_PROXY", proxy.uri)
    assert isinstance(ask(connected("http://mlflow.example", tmp_path)), Success)
    assert proxy.requests[0].target == f"http://mlflow.example{API}/runs/get?run_id=r1"


def test_a_proxy_is_told_its_own_user(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = loopback(RUN)
    monkeypatch.setenv("HTTP_PROXY", proxy.uri.replace("//", "//ann:x@"))
    ask(connected("http://mlflow.example", tmp_path))
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic YW5uOng="


def test_a_host_that_no_proxy_names_is_reached_directly(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, server = loopback(RUN), loopback(RUN)
    monkeypatch.setenv("HTTP_PROXY", proxy.uri)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ask(connected(server.uri, tmp_path))
    assert (proxy.requests, server.calls) == ((), (GET_RUN,))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_told_from_a_server_that_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://ann:hunter2@127.0.0.1:1")
    error = failure(ask(connected(f"{scheme}://mlflow.example", tmp_path, max_retries=0)))
    assert (type(error), "hunter2" in str(error)) == (Unreachable, False)
    assert "through the proxy http://127.0.0.1:1" in str(error)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:notaport"])
def test_a_proxy_that_cannot_be_used_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    error = failure(ask(connected("http://mlflow.example", tmp_path)))
    assert (type(error), "proxy" in str(error)) == (Unreachable, True)


# Read at connect, and then no more


def test_what_changes_after_connect_changes_nothing(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = {"run": RUN_JSON, "experiment": {"experiment_id": "1", "name": "e"}}
    server = loopback(Answer.of_json(held))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "before"))
    api = mlopus.connect(server.uri)
    for name, text in READ_AT_CONNECT.items():
        monkeypatch.setenv(name, text)
        if name.endswith("_PROXY"):
            monkeypatch.setenv(name.lower(), text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "after"))
    monkeypatch.setenv("MLOPUS_CACHE_DIR", str(tmp_path / "after"))
    monkeypatch.setenv("HOME", str(tmp_path / "after"))
    assert isinstance(api.get_run("r1"), Success)
    assert {"authorization", "x-mlflow-workspace"}.isdisjoint(server.requests[0].headers)
    assert [folder.name for folder in tmp_path.iterdir()] == ["before"]


def test_certificates_are_those_of_connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = str(tmp_path / "none.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
    api = connected("https://127.0.0.1:1", tmp_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    error = failure(ask(api))
    assert (type(error), path in str(error)) == (IllegalPath, True)


# Habits


def test_redirects_are_not_followed_where_mlflow_would_not(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moved = Answer(status=307, headers=(("Location", "/elsewhere"),))
    server = loopback(one_after_another(get=moved, elsewhere=RUN))
    monkeypatch.setenv("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")
    error = failure(ask(connected(server.uri, tmp_path)))
    assert (type(error), server.calls) == (UnreadableReply, (GET_RUN,))


def test_retry_after_is_not_heard_where_mlflow_would_not(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = loopback(one_after_another(get=[Answer(status=429, headers=(("Retry-After", "3600"),)), RUN]))
    monkeypatch.setenv("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")
    assert isinstance(ask(connected(server.uri, tmp_path)), Success)


def test_numbers_of_tries_are_mlflows(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = loopback(Answer(status=503))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    assert isinstance(failure(ask(connected(server.uri, tmp_path))), ServerFailed)
    assert server.count(GET_RUN) == 2


# Plugins


def test_plugins_of_mlflow_add_headers_and_join_what_they_share(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin(tmp_path, "one", provider("{'X-Where': 'here', 'User-Agent': 'one/1'}"))
    plugin(tmp_path, "two", provider("{'X-Where': 'there'}"))
    plugin(tmp_path, "silent", provider("{'X-Silent': 'x'}", in_context="False"))
    monkeypatch.syspath_prepend(str(tmp_path))
    server = loopback(RUN)
    ask(connected(server.uri, tmp_path))
    headers = server.requests[0].headers
    assert set(headers["x-where"].split()) == {"here", "there"}
    assert (headers["user-agent"], "x-silent" in headers) == ("mlopus one/1", False)


def test_headers_that_are_given_win_over_those_of_plugins(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin(tmp_path, "three", provider("{'x-where': 'plugin', 'authorization': 'Bearer plugin'}"))
    monkeypatch.syspath_prepend(str(tmp_path))
    server = loopback(RUN)
    ask(connected(server.uri, tmp_path, headers={"X-Where": "given"}, token="given"))  # noqa: S106
    headers = server.requests[0].headers
    assert (headers["x-where"], headers["authorization"]) == ("given", "Bearer given")


def test_plugins_headers_go_to_the_server_only(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin(tmp_path, "four", provider("{'X-Where': 'secret'}"))
    monkeypatch.syspath_prepend(str(tmp_path))
    server, registry = loopback(RUN), loopback(Answer.of_json({"registered_model": {"name": "m"}}))
    api = connected(server.uri, tmp_path, registry_uri=registry.uri)
    assert isinstance(api.get_model("m"), Success)
    assert "x-where" not in registry.requests[0].headers


@pytest.mark.parametrize(
    "code", ["raise LookupError('x')", provider("1 / 0"), provider("{}", in_context="1 / 0")]
)
def test_a_broken_plugin_is_left_out_and_told_of(
    loopback: StartLoopback,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    code: str,
) -> None:
    name = f"broken{abs(hash(code))}"
    plugin(tmp_path, name, code)
    monkeypatch.syspath_prepend(str(tmp_path))
    server = loopback(RUN)
    assert isinstance(ask(connected(server.uri, tmp_path)), Success)
    assert "request_header_provider" in caplog.text


# Ways in that need something else here


@pytest.mark.parametrize(
    ("variable", "text"), [("MLFLOW_TRACKING_AUTH", "kubernetes"), ("MLFLOW_TRACKING_AWS_SIGV4", "true")]
)
def test_ways_in_of_mlflow_that_are_not_here_are_refused_with_what_to_give(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=rf"{variable}.*auth="):
        connected("http://127.0.0.1:1", tmp_path)


def test_an_argument_that_lets_in_wins_over_them(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = loopback(RUN)
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    ask(connected(server.uri, tmp_path, auth=lambda *_: {"Authorization": "AWS4-HMAC-SHA256 x"}))
    assert server.requests[0].headers["authorization"] == "AWS4-HMAC-SHA256 x"


def test_a_store_without_a_server_needs_no_way_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    assert isinstance(connected(str(tmp_path / "store"), tmp_path).get_or_create_exp("e"), Success)


def test_the_workspace_of_the_environment_is_part_of_what_is_cached(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = loopback(RUN)
    one = connected(server.uri, tmp_path)
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team")
    other = connected(server.uri, tmp_path)
    ask(other)
    assert server.requests[0].headers["x-mlflow-workspace"] == "team"
    assert one.repositories.tracking.origin != other.repositories.tracking.origin
