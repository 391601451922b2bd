"""What error each kind of failed reply stands for."""

from __future__ import annotations

import json

import pytest
from immutabledict import immutabledict

from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    MlopusError,
    NotFound,
    ServerFailed,
    Unauthorized,
    UnreadableReply,
    Unsupported,
)
from mlopus.wire.mlflow.errors import EXCERPT_LENGTH, error_from_reply, excerpt, json_from_reply, may_pass
from mlopus.wire.mlflow.experiments import create_experiment_request
from mlopus.wire.mlflow.http import HttpReply, HttpRequest
from mlopus.wire.mlflow.logged_models import get_logged_model_request
from mlopus.wire.mlflow.models import create_version_request, get_version_by_alias_request
from mlopus.wire.mlflow.runs import create_run_request, get_run_request, update_run_request

PLACE = "http://server:5000"
NO_TAGS: immutabledict[str, str] = immutabledict()
GET_RUN = get_run_request("r1")
CREATE_RUN = create_run_request("7", "name", None, NO_TAGS)
CREATE_EXPERIMENT = create_experiment_request("exp", NO_TAGS, None)
GET_ALIAS = get_version_by_alias_request("ranker", "champion")
GET_LOGGED_MODEL = get_logged_model_request("m-1")
UPDATE_RUN = update_run_request("r1", None, None, None)
CREATE_VERSION = create_version_request("ranker", "s3://b/p", None, None, NO_TAGS)

HTML = (
    b"<!doctype html><html><head><title>404 Not Found</title><style>a {b: c}</style></head><p>Not here</html>"
)


def replied(status: int, body: object, content_type: str = "application/json") -> HttpReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpReply(status=status, headers=immutabledict({"content-type": content_type}), body=data)


def coded(status: int, code: str, message: str = "words") -> HttpReply:
    return replied(status, {"error_code": code, "message": message, "sqlstate": "XX000"})


def error(request: HttpRequest, reply: HttpReply) -> MlopusError:
    return error_from_reply(request, reply, PLACE)


@pytest.mark.parametrize(
    ("request_", "reply", "expected"),
    [
        (GET_RUN, coded(404, "RESOURCE_DOES_NOT_EXIST"), NotFound(kind="run", key="r1", place=PLACE)),
        (UPDATE_RUN, coded(404, "RESOURCE_DOES_NOT_EXIST"), NotFound(kind="run", key="r1", place=PLACE)),
        (GET_RUN, coded(404, "NOT_FOUND"), NotFound(kind="run", key="r1", place=PLACE)),
        (GET_RUN, coded(400, "INVALID_PARAMETER_VALUE"), NotFound(kind="run", key="r1", place=PLACE)),
        (
            CREATE_RUN,
            coded(404, "RESOURCE_DOES_NOT_EXIST"),
            NotFound(kind="experiment", key="7", place=PLACE),
        ),
        (
            CREATE_VERSION,
            coded(404, "RESOURCE_DOES_NOT_EXIST"),
            NotFound(kind="model", key="ranker", place=PLACE),
        ),
        (
            GET_ALIAS,
            coded(400, "INVALID_PARAMETER_VALUE", "Registered model alias champion not found."),
            NotFound(kind="model version", key="ranker@champion", place=PLACE),
        ),
        (
            GET_RUN,
            coded(404, "RESOURCE_DOES_NOT_EXIST", "Workspace 'team' not found"),
            NotFound(kind="workspace", key="team", place=PLACE),
        ),
        (
            CREATE_RUN,
            coded(400, "BAD_REQUEST", "(psycopg.errors.NumericValueOutOfRange) integer out of range"),
            NotFound(kind="experiment", key="7", place=PLACE),
        ),
        (
            CREATE_EXPERIMENT,
            coded(400, "RESOURCE_ALREADY_EXISTS"),
            AlreadyExists(kind="experiment", key="exp", place=PLACE),
        ),
        (
            CREATE_EXPERIMENT,
            coded(409, "ALREADY_EXISTS"),
            AlreadyExists(kind="experiment", key="exp", place=PLACE),
        ),
    ],
)
def test_what_is_missing_or_taken_is_named(
    request_: HttpRequest, reply: HttpReply, expected: MlopusError
) -> None:
    assert error(request_, reply) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (coded(400, "INVALID_PARAMETER_VALUE"), InvalidRequest),
        (coded(400, "BAD_REQUEST"), InvalidRequest),
        (coded(409, "RESOURCE_CONFLICT"), InvalidRequest),
        (replied(413, b"too large", "text/plain"), InvalidRequest),
        (coded(401, "UNAUTHENTICATED"), Unauthorized),
        (replied(401, b"<html>You are not authenticated", "text/html"), Unauthorized),
        (coded(403, "PERMISSION_DENIED"), Unauthorized),
        (replied(403, b"Permission denied", "text/plain"), Unauthorized),
        (coded(429, "REQUEST_LIMIT_EXCEEDED"), ServerFailed),
        (replied(429, b"slow down", "text/plain"), ServerFailed),
        (coded(500, "INTERNAL_ERROR"), ServerFailed),
        (replied(500, HTML, "text/html"), ServerFailed),
        (replied(502, b"", "text/html"), ServerFailed),
        (coded(503, "TEMPORARILY_UNAVAILABLE"), ServerFailed),
        (replied(503, b"upstream unavailable", "text/plain"), ServerFailed),
        (coded(504, "DEADLINE_EXCEEDED"), ServerFailed),
        (coded(499, "CANCELLED"), ServerFailed),
        (coded(409, "ABORTED"), ServerFailed),
        (coded(501, "NOT_IMPLEMENTED"), Unsupported),
        (coded(404, "ENDPOINT_NOT_FOUND"), Unsupported),
        (coded(500, "FEATURE_DISABLED"), Unsupported),
        (
            replied(
                503, b"Endpoint: /x disabled due to the mlflow server running in `--artifacts-only` mode."
            ),
            Unsupported,
        ),
        (replied(503, {"detail": "server running with `--no-serve-artifacts`"}), Unsupported),
        (replied(404, HTML, "text/html"), UnreadableReply),
        (replied(405, HTML, "text/html"), UnreadableReply),
        (replied(404, {"detail": "Not Found"}), UnreadableReply),
        (replied(418, b"\xff\xfe", "x"), InvalidRequest),
        (replied(400, ["a list"]), InvalidRequest),
        (replied(400, {"error_code": 5}), InvalidRequest),
        (replied(400, b"[" * 100_000), InvalidRequest),
    ],
)
def test_each_shape_of_failure_has_its_error(reply: HttpReply, expected: type[MlopusError]) -> None:
    assert type(error(UPDATE_RUN, reply)) is expected


def test_a_route_that_only_some_servers_have_is_unsupported_where_it_is_not() -> None:
    assert isinstance(error(GET_LOGGED_MODEL, replied(404, HTML, "text/html")), Unsupported)


def test_a_param_that_has_another_value_has_a_code_of_its_own() -> None:
    words = "Changing param values is not allowed. Params were already logged='[]' for run ID='r1'."
    found = error(UPDATE_RUN, coded(400, "INVALID_PARAMETER_VALUE", words))
    assert isinstance(found, InvalidRequest)
    assert found.code == "param already set"


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("INTERNAL_ERROR", "Changing param values is not allowed. Param with key='lr' was", InvalidRequest),
        ("INVALID_STATE", "Could not create run under non-active experiment", InvalidRequest),
        ("INTERNAL_ERROR", "Error: Registered Model with name=m not found. Giving up", NotFound),
        ("INTERNAL_ERROR", "database is locked", ServerFailed),
    ],
)
def test_what_is_wrong_with_a_request_does_not_pass_though_a_store_says_500(
    code: str, words: str, expected: type[MlopusError]
) -> None:
    reply = coded(500, code, words)
    assert (type(error(CREATE_VERSION, reply)), may_pass(reply)) == (expected, expected is ServerFailed)


def test_a_refused_host_header_is_no_matter_of_credentials() -> None:
    reply = replied(403, b"Invalid Host header - possible DNS rebinding attack detected", "text/plain")
    found = error(GET_RUN, reply)
    assert "--allowed-hosts" in (found.hint or "")


def test_the_servers_own_words_and_code_are_kept() -> None:
    found = error(UPDATE_RUN, coded(400, "INVALID_PARAMETER_VALUE", "must be in the 'active' state"))
    assert str(found) == (
        "http://server:5000 refused runs/update (INVALID_PARAMETER_VALUE): must be in the 'active' state"
    )


def test_a_page_of_html_is_told_by_its_words() -> None:
    assert excerpt(HTML) == "404 Not Found Not here"


@pytest.mark.parametrize(
    "body",
    [
        b"Authorization: Bearer abc.def.ghi was refused",
        b"authorization: basic YWRtaW46aHVudGVyMg== was refused",
        b"cannot reach http://admin:hunter2@upstream:80/",
        b'{"password": "hunter2"}',
        b"https://bucket/key?X-Amz-Signature=abcdef123&x=1",
        b"api_key=hunter2;",
    ],
)
def test_an_excerpt_leaves_out_what_looks_like_a_secret(body: bytes) -> None:
    found = excerpt(body)
    assert not any(secret in found for secret in ("abc.def", "YWRt", "hunter2", "abcdef123"))


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_no_error_is_longer_than_its_excerpt_allows(status: int) -> None:
    found = error(UPDATE_RUN, replied(status, b"word\x00\n" * 5000, "text/plain"))
    assert len(str(found)) < EXCERPT_LENGTH + 150
    assert str(found).isprintable()


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_an_empty_object(body: bytes) -> None:
    assert json_from_reply(GET_RUN, HttpReply(status=200, body=body), PLACE).unwrap() == {}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (replied(200, HTML, "text/html"), "HTML instead of JSON"),
        (replied(200, b"<!doctype html>", "application/json"), "HTML instead of JSON"),
        (replied(200, b'{"run": {"info"'), "it is not JSON"),
        (replied(200, b"[" * 100_000), "it is not JSON"),
    ],
)
def test_a_success_that_is_no_json_is_unreadable(reply: HttpReply, reason: str) -> None:
    found = json_from_reply(GET_RUN, reply, PLACE).failure()
    assert (found.reason, len(found.excerpt) <= EXCERPT_LENGTH) == (reason, True)
