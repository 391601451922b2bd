"""Which proxy, which authorities and which habits the environment asks for."""

from __future__ import annotations

import pytest

from mlopus.repositories.surroundings import Surroundings

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://mlflow.example", None),
        ({"HTTP_PROXY": PROXY}, "http://mlflow.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://mlflow.example", None),
        ({"https_proxy": PROXY}, "https://mlflow.example", PROXY),
        ({"ALL_PROXY": PROXY}, "https://mlflow.example", PROXY),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": PROXY}, "https://mlflow.example", PROXY),
        ({"http_proxy": PROXY, "HTTP_PROXY": "http://other:1"}, "http://mlflow.example", PROXY),
        ({"HTTP_PROXY": "proxy:3128"}, "http://mlflow.example", PROXY),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://mlflow.example", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http://mlflow.example", PROXY),
    ],
)
def test_a_proxy_is_chosen_by_the_scheme(variables: dict[str, str], url: str, proxy: str | None) -> None:
    assert Surroundings.of(variables).proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", "http://mlflow.example"),
        ("mlflow.example", "http://mlflow.example:5000"),
        ("other, MLFLOW.example", "http://mlflow.example"),
        ("example", "http://mlflow.example"),
        (".example", "http://mlflow.example"),
        ("*.example", "http://mlflow.example"),
        ("mlflow.example:5000", "http://mlflow.example:5000"),
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("10.0.0.0/8", "http://10.1.2.3"),
        ("::1", "http://[::1]:5000"),
        ("[::1]", "http://[::1]:5000"),
        ("fd00::/8", "http://[fd00::1]"),
    ],
)
def test_hosts_that_no_proxy_lists_are_reached_directly(no_proxy: str, url: str) -> None:
    assert Surroundings.of({"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}).proxy_for(url) is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("ample", "http://mlflow.example"),
        ("mlflow.example:5000", "http://mlflow.example:5001"),
        ("10.0.0.0/8", "http://11.0.0.1"),
        ("10.0.0.0/8", "http://mlflow.example"),
        ("not/anything", "http://10.0.0.1"),
        (" ,,", "http://mlflow.example"),
    ],
)
def test_other_hosts_are_reached_through_the_proxy(no_proxy: str, url: str) -> None:
    assert Surroundings.of({"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}).proxy_for(url) == PROXY


def test_authorities_come_from_the_first_variable_that_names_them() -> None:
    variables = {"SSL_CERT_FILE": "/ssl.pem", "REQUESTS_CA_BUNDLE": "/bundle.pem", "SSL_CERT_DIR": "/certs"}
    around = Surroundings.of(variables)
    assert (around.ca_file, around.ca_dir) == ("/bundle.pem", "/certs")


def test_no_secret_of_a_proxy_is_shown() -> None:
    assert "hunter2" not in repr(Surroundings.of({"HTTP_PROXY": "http://ann:hunter2@proxy:3128"}))


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "perhaps"),
        ("MLFLOW_ALLOW_HTTP_REDIRECTS", "2"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "long"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "-1"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "nan"),
    ],
)
def test_a_text_of_no_meaning_is_refused_by_its_variable(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=variable):
        Surroundings.of({variable: text})
