"""From a URI, the environment and arguments to an API: what is chosen, what is refused, what stays secret."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

import mlopus
from mlopus.settings import Environment


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in tuple(os.environ):
        if name.startswith(("MLFLOW_", "MLOPUS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def origin_of(api: mlopus.MlflowApi) -> str:
    return api.repositories.tracking.origin.uri


class TestTheUri:
    def test_of_a_server_is_its_origin_without_credentials(self) -> None:
        assert origin_of(mlopus.connect("http://user:secret@Host:5000/mlflow/")) == "http://host:5000/mlflow"

    def test_of_a_folder_is_resolved_now(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        api = mlopus.connect("./tracking")
        monkeypatch.chdir("/")

        assert origin_of(api) == (tmp_path / "tracking").as_uri()

    def test_may_be_a_path_object_a_file_uri_or_begin_at_home(self, tmp_path: Path) -> None:
        given = (tmp_path / "store", (tmp_path / "store").as_uri(), "~/store")

        assert {origin_of(mlopus.connect(uri)) for uri in given} == {(tmp_path / "store").as_uri()}

    def test_comes_from_the_environment_if_it_is_not_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")

        assert origin_of(mlopus.connect()) == "http://127.0.0.1:5000"

    def test_that_is_given_wins_over_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")

        assert origin_of(mlopus.connect("http://127.0.0.1:6000")) == "http://127.0.0.1:6000"

    def test_is_the_users_own_store_if_nobody_names_one(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", "mlopus"):
            api = mlopus.connect()

        assert origin_of(api).startswith(tmp_path.as_uri())
        assert "embedded store" in caplog.text

    @pytest.mark.parametrize(
        ("uri", "said"),
        [
            ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.1:5000/x", "http://127.0.0.1:5000/x"),
            ("gopher://x", "unknown scheme 'gopher'"),
            ("http://", "no host"),
        ],
    )
    def test_that_nobody_serves_is_refused_with_what_to_do(self, uri: str, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            mlopus.connect(uri)

    def test_of_a_database_is_resolved_now_and_shows_no_secret(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        file = mlopus.connect("sqlite:///mlflow.db")
        server = mlopus.connect("postgresql+psycopg2://ada:secret@db:5432/mlflow?sslmode=require&password=x")
        monkeypatch.chdir("/")

        assert origin_of(file) == f"sqlite:///{tmp_path}/mlflow.db"
        assert origin_of(server) == "postgresql+psycopg2://db:5432/mlflow?sslmode=require"
        assert "secret" not in f"{server!r} {server.repositories!r}"

    def test_is_refused_on_windows(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(sys, "platform", "win32")

        with pytest.raises(ValueError, match="WSL"):
            mlopus.connect(tmp_path)


class TestTheEnvironment:
    def test_gives_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
        monkeypatch.setenv("MLOPUS_OFFLINE", "1")

        settings = mlopus.connect("http://127.0.0.1:5000").settings

        assert (settings.username, settings.max_retries, settings.verify_tls, settings.offline_mode) == (
            "ada",
            2,
            False,
            True,
        )

    def test_loses_to_arguments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "theirs")

        assert mlopus.connect("http://127.0.0.1:5000", username="x").settings.username == "x"

    def test_counts_empty_variables_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")

        assert mlopus.connect("http://127.0.0.1:5000").settings.username is None

    def test_is_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        api = mlopus.connect("http://127.0.0.1:5000")

        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "late")

        assert api.in_offline_mode.settings.username is None

    def test_takes_credentials_from_the_file_of_mlflow(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = 100%secret\n"
        )
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "grace")

        settings = mlopus.connect("http://127.0.0.1:5000").settings

        assert (settings.username, settings.password) == ("grace", "100%secret")

    def test_with_a_broken_credentials_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text("no section")

        with pytest.raises(ValueError, match="credentials"):
            Environment.read()

    @pytest.mark.parametrize(
        ("variable", "text"),
        [("MLOPUS_OFFLINE", "perhaps"), ("MLFLOW_HTTP_REQUEST_TIMEOUT", "long")],
    )
    def test_with_a_text_of_no_meaning_is_refused(
        self, variable: str, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, text)

        with pytest.raises(ValueError, match=variable):
            mlopus.connect("http://127.0.0.1:5000")

    def test_cannot_ask_for_a_certificate_and_for_no_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "ca.pem")

        with pytest.raises(ValueError, match="exclude"):
            mlopus.connect("https://127.0.0.1:5000")


class TestSettings:
    def test_of_an_unknown_name_are_a_type_error(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="cache_folder"):
            mlopus.connect(tmp_path, cache_folder="x")

    @pytest.mark.parametrize(
        "setting",
        [
            {"timeout_s": -1},
            {"progress": "loud"},
            {"text_codec": "yaml"},
            {"max_age_s": float("nan")},
            {"concurrency": 0},
        ],
        ids=str,
    )
    def test_out_of_their_range_are_refused(self, setting: dict[str, object], tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=next(iter(setting))):
            mlopus.connect(tmp_path, **setting)

    def test_show_no_secret(self) -> None:
        secrets = {"password": "hidden", "token": "hidden", "headers": {"x": "hidden"}}
        api = mlopus.connect("http://user:hidden@127.0.0.1:5000", **secrets)

        assert "hidden" not in f"{api!r} {api.settings!r} {api.repositories!r}"


class TestAnApi:
    def test_has_a_copy_that_works_offline(self, tmp_path: Path) -> None:
        api = mlopus.connect(tmp_path)

        assert (api.settings.offline_mode, api.in_offline_mode.settings.offline_mode) == (False, True)

    def test_keeps_the_rest_when_it_evolves(self, tmp_path: Path) -> None:
        api = mlopus.connect(tmp_path, cache_dir=tmp_path / "cache").evolve(max_age_s=60)

        assert (api.settings.max_age_s, api.settings.cache_dir) == (60, str(tmp_path / "cache"))

    def test_goes_to_another_process_by_pickle(self, tmp_path: Path) -> None:
        api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
        exp = api.get_or_create_exp("demo").unwrap()

        copy = pickle.loads(pickle.dumps(api))  # noqa: S301 (our own bytes)

        assert copy.get_exp(exp.id).unwrap() == exp

    def test_is_frozen(self, tmp_path: Path) -> None:
        with pytest.raises(AttributeError):
            mlopus.connect(tmp_path).settings = mlopus.Settings()  # type: ignore[misc]

    def test_makes_nothing_before_a_write(self, tmp_path: Path) -> None:
        api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")

        api.get_exp("0")

        assert not (tmp_path / "store").exists()
