"""The store behind MLflow's artifact proxy, when the server or the network misbehaves."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from mlopus.domain.manifest import LocalFile, RemoteFile
from mlopus.errors import (
    DigestMismatch,
    IllegalPath,
    MlopusError,
    NotFound,
    StalePlan,
    StoreFailed,
    Unreachable,
)
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Failure, Result, Success
from mlopus.testing.contracts.trees import BytesSink
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer, SeenRequest

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
ROOT = "mlflow-artifacts:/1/r/artifacts"
BODY = bytes(range(256)) * 8192  # two chunks
FILE = RemoteFile(path="f.bin", size_bytes=len(BODY))
ETAG = ("ETag", '"v1"')
UVICORN = ("Server", "uvicorn")


class Source:
    """Files in memory."""

    def __init__(self, **files: bytes) -> None:
        self.files = files

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        return Success(io.BytesIO(self.files[path]))

    def local_path(self, path: str) -> str | None:  # noqa: ARG002 (the port's signature)
        return None


class Meter:
    """What was counted."""

    def __init__(self) -> None:
        self.requests = self.bytes_sent = self.bytes_received = self.bytes_resumed = 0

    def requested(self, count: int = 1) -> None:
        self.requests += count

    def sent(self, size_bytes: int) -> None:
        self.bytes_sent += size_bytes

    def received(self, size_bytes: int) -> None:
        self.bytes_received += size_bytes

    def resumed(self, size_bytes: int) -> None:
        self.bytes_resumed += size_bytes

    def finished(self, path: str) -> None: ...


def store_at(uri: str, **settings: Any) -> MlflowArtifactsStore:
    tracking = MlflowTracking(uri=uri, backoff_s=0.0, retry_for_s=20.0, **settings)
    return MlflowArtifactsStore(transport=tracking.transport)


def upload_of(content: bytes, path: str = "f", url: str = ROOT) -> UploadFiles:
    digest = hashlib.sha256(content).hexdigest()
    file = LocalFile(path=path, size_bytes=len(content), mtime_ns=0, sha256=digest)
    return UploadFiles(
        store_url=url,
        files=(UploadFile(file=file, reason="new"),),
        kept=(),
        left=(),
        empty_folders=(),
        is_file=False,
        move=False,
        binds="validators",
    )


def failure(result: Success[Any] | Failure[MlopusError]) -> MlopusError:
    assert isinstance(result, Failure)
    return result.failure()


def breaking(*cuts: int, knows_ranges: bool = True, etags: bool = True) -> Callable[[SeenRequest], Answer]:
    """Serve the file, breaking off after so many bytes, once for each."""
    left = list(cuts)

    def reply(request: SeenRequest) -> Answer:
        headers = (ETAG,) if etags else ()
        cut = left.pop(0) if left else None
        start = request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")
        if not knows_ranges or start == "0":
            return Answer(headers=headers, body=BODY, cut_after=cut)
        span = ("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        return Answer(status=206, headers=(*headers, span), body=BODY[int(start) :], cut_after=cut)

    return reply


def test_a_download_that_breaks_off_goes_on_from_there(loopback: StartLoopback) -> None:
    server, sink, meter = loopback(breaking(1_500_000, 100_000)), BytesSink(), Meter()
    fetched = store_at(server.uri).metered(meter).fetch(ROOT, (FILE,), sink)
    assert (fetched.unwrap(), sink.contents) == ({"f.bin": '"v1"'}, {"f.bin": BODY})
    assert (meter.requests, meter.bytes_received) == (3, len(BODY))


def test_a_server_that_starts_anew_is_read_past_what_came(loopback: StartLoopback) -> None:
    server, sink = loopback(breaking(1_500_000, knows_ranges=False)), BytesSink()
    store_at(server.uri).fetch(ROOT, (FILE,), sink)
    assert sink.contents == {"f.bin": BODY}


def test_a_download_without_a_version_begins_anew(loopback: StartLoopback) -> None:
    server, sink, meter = loopback(breaking(1_500_000, etags=False)), BytesSink(), Meter()
    assert isinstance(store_at(server.uri).metered(meter).fetch(ROOT, (FILE,), sink), Success)
    assert (sink.contents, meter.bytes_received) == ({"f.bin": BODY}, len(BODY))
    assert all("range" not in request.headers for request in server.requests)


def test_two_versions_of_a_file_are_never_mixed(loopback: StartLoopback) -> None:
    def reply(request: SeenRequest) -> Answer:
        if "range" not in request.headers:
            return Answer(headers=(ETAG,), body=BODY, cut_after=1_500_000)
        return Answer(headers=(("ETag", '"v2"'),), body=BODY[::-1])

    server, sink = loopback(reply), BytesSink()
    assert isinstance(failure(store_at(server.uri).fetch(ROOT, (FILE,), sink)), StalePlan)
    assert sink.contents == {}


def test_a_download_that_always_breaks_off_ends(loopback: StartLoopback) -> None:
    server, sink = loopback(Answer(body=BODY, cut_after=10)), BytesSink()
    assert isinstance(failure(store_at(server.uri, max_retries=1).fetch(ROOT, (FILE,), sink)), Unreachable)
    assert sink.contents == {}


@pytest.mark.parametrize("content", [BODY + b"x", BODY[:-1], b""])
def test_a_file_of_another_size_than_listed_is_refused(loopback: StartLoopback, content: bytes) -> None:
    server, sink = loopback(Answer(body=content)), BytesSink()
    assert isinstance(failure(store_at(server.uri).fetch(ROOT, (FILE,), sink)), DigestMismatch)
    assert sink.contents == {}


def test_a_file_of_another_version_than_listed_is_refused(loopback: StartLoopback) -> None:
    server, sink = loopback(Answer(headers=(ETAG,), body=b"x")), BytesSink()
    file = RemoteFile(path="f", size_bytes=1, validator='"v0"')
    assert isinstance(failure(store_at(server.uri).fetch(ROOT, (file,), sink)), StalePlan)
    assert sink.contents == {}


def test_what_the_disk_refuses_is_not_asked_for_again(loopback: StartLoopback) -> None:
    full = StoreFailed(place="disk", action="writing", reason="no space left")
    server = loopback(Answer(body=BODY))
    assert failure(store_at(server.uri).fetch(ROOT, (FILE,), BytesSink(failure=full))) == full
    assert len(server.requests) == 1


def test_a_file_on_which_an_old_server_fails_is_gone_if_it_is_not_listed(loopback: StartLoopback) -> None:
    def reply(request: SeenRequest) -> Answer:
        return Answer.of_json({}) if request.path == PROXY else Answer(status=500)

    server = loopback(reply)
    assert isinstance(failure(store_at(server.uri).fetch(ROOT, (FILE,), BytesSink())), NotFound)
    assert server.count(f"GET {PROXY}/1/r/artifacts/f.bin") == 1


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", "a\\b", "C:x", "a\x00"])
def test_a_hostile_listing_is_refused_whole(loopback: StartLoopback, name: str) -> None:
    files = [{"path": "fine", "is_dir": False, "file_size": 1}, {"path": name, "is_dir": False}]
    server = loopback(Answer.of_json({"files": files}))
    assert isinstance(failure(store_at(server.uri).list_tree(ROOT)), IllegalPath)


def test_folders_without_an_end_are_refused(loopback: StartLoopback) -> None:
    server = loopback(Answer.of_json({"files": [{"path": "deeper", "is_dir": True}]}))
    assert isinstance(failure(store_at(server.uri).list_tree(ROOT)), IllegalPath)


def test_a_listing_on_another_host_is_asked_for_without_credentials(loopback: StartLoopback) -> None:
    other = loopback(Answer.of_json({"files": [{"path": "f", "is_dir": False, "file_size": 1}]}))
    server = loopback(Answer.of_json({}))
    store = store_at(server.uri, token="abc", workspace="team")  # noqa: S106
    listed = store.list_tree(other.uri.replace("http:", "mlflow-artifacts:") + "/1/r")
    assert (listed.unwrap().files, server.requests) == ((RemoteFile(path="f", size_bytes=1),), ())
    assert {"authorization", "x-mlflow-workspace"}.isdisjoint(other.requests[0].headers)


def test_a_download_may_be_sent_to_another_host_without_credentials(loopback: StartLoopback) -> None:
    other = loopback(Answer(body=BODY))
    server, sink = loopback(Answer(status=302, headers=(("Location", f"{other.uri}/x?sig=1"),))), BytesSink()
    store = store_at(server.uri, token="abc")  # noqa: S106
    assert isinstance(store.fetch(ROOT, (FILE,), sink), Success)
    assert (sink.contents, other.requests[0].target) == ({"f.bin": BODY}, "/x?sig=1")
    assert "authorization" not in other.requests[0].headers


def test_an_upload_is_not_sent_to_another_host(loopback: StartLoopback) -> None:
    other = loopback(Answer())
    server = loopback(Answer(status=307, headers=(("Location", f"{other.uri}/x"),)))
    assert isinstance(store_at(server.uri).upload(upload_of(b"x"), Source(f=b"x")), Failure)
    assert other.requests == ()


def test_an_upload_is_one_request_with_its_length(loopback: StartLoopback) -> None:
    server, meter = loopback(Answer(headers=(ETAG, UVICORN))), Meter()
    store = store_at(server.uri)
    store.list_tree(ROOT)  # something is asked before
    server.forget()

    sent = store.metered(meter).upload(upload_of(BODY, "a b/ü"), Source(**{"a b/ü": BODY}))

    (request,) = server.requests
    assert (sent.unwrap(), request.body == BODY) == ({"a b/ü": '"v1"'}, True)
    assert (request.target, request.headers["content-length"]) == (
        f"{PROXY}/1/r/artifacts/a%20b/%C3%BC",
        str(len(BODY)),
    )
    assert (meter.requests, meter.bytes_sent) == (1, len(BODY))


@pytest.mark.parametrize("answer", [Answer(headers=(("Server", "gunicorn"),)), Answer(body=b"2.22.5\n")])
def test_an_upload_comes_in_chunks_where_a_part_would_be_stored(
    loopback: StartLoopback, answer: Answer
) -> None:
    server = loopback(answer)

    store_at(server.uri).upload(upload_of(BODY), Source(f=BODY)).unwrap()

    (request,) = (request for request in server.requests if request.method == "PUT")
    assert (request.headers["transfer-encoding"], request.body == BODY) == ("chunked", True)
    assert "content-length" not in request.headers


@pytest.mark.parametrize("answer", [Answer(body=b"3.17.2"), Answer(status=403), Answer.of_html()])
def test_a_server_that_does_not_say_what_it_is_is_asked_once(loopback: StartLoopback, answer: Answer) -> None:
    server = loopback(lambda request: answer if request.path == "/version" else Answer())
    store = store_at(server.uri)

    for _ in range(3):
        store.upload(upload_of(BODY), Source(f=BODY)).unwrap()

    assert [request.method for request in server.requests] == ["GET", "PUT", "PUT", "PUT"]
    assert server.requests[1].headers["content-length"] == str(len(BODY))


def test_an_upload_does_not_wait_for_a_version_that_cannot_be_had(loopback: StartLoopback) -> None:
    server = loopback(lambda request: Answer(status=502 if request.path == "/version" else 200))

    store_at(server.uri).upload(upload_of(BODY), Source(f=BODY)).unwrap()

    assert [request.method for request in server.requests] == ["GET", "PUT"]


def test_an_upload_to_a_busy_server_is_sent_again_whole(loopback: StartLoopback) -> None:
    answers = [Answer(headers=(UVICORN,)), Answer(status=503), Answer(hang_up=True), Answer()]
    server, meter = loopback(lambda _: answers.pop(0)), Meter()
    assert isinstance(store_at(server.uri).metered(meter).upload(upload_of(BODY), Source(f=BODY)), Success)
    assert ([request.body == BODY for request in server.requests[1:]], meter.bytes_sent) == (
        [True] * 3,
        len(BODY),
    )


@pytest.mark.parametrize("content", [BODY[:-1] + b"x", BODY + b"x", BODY[:-1], b""])
def test_a_source_that_has_changed_is_not_stored(loopback: StartLoopback, content: bytes) -> None:
    server = loopback(Answer())
    assert isinstance(failure(store_at(server.uri).upload(upload_of(BODY), Source(f=content))), StalePlan)
    assert [request for request in server.requests if request.method == "PUT"] == []  # none had arrived whole


def test_no_byte_is_sent_if_one_name_cannot_be_kept(loopback: StartLoopback) -> None:
    server = loopback(Answer())
    assert isinstance(failure(store_at(server.uri).upload(upload_of(b"x", "a%41"), Source())), IllegalPath)
    assert server.requests == ()


def test_a_stream_that_breaks_raises_an_error_of_mlopus(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=BODY, cut_after=1_500_000))
    with store_at(server.uri).open(f"{ROOT}/f.bin").unwrap() as stream, pytest.raises(Unreachable):
        stream.read()


def test_a_file_is_read_as_a_stream_and_goes_on_after_a_break(loopback: StartLoopback) -> None:
    server = loopback(breaking(1_500_000))
    with store_at(server.uri).open(f"{ROOT}/f.bin").unwrap() as stream:
        assert stream.read(3) + stream.read() == BODY


def test_a_folder_is_not_removed_where_a_file_was_named(loopback: StartLoopback) -> None:
    def reply(request: SeenRequest) -> Answer:
        inside = (
            [{"path": "x", "is_dir": False}]
            if ("path", "1/r/artifacts/d") in request.query
            else [
                {"path": "d", "is_dir": True},
                {"path": "f", "is_dir": False},
            ]
        )
        return Answer.of_json({"files": inside} if request.method == "GET" else {})

    server = loopback(reply)
    assert store_at(server.uri).remove(ROOT, ("d", "f", "gone")).unwrap() == 1
    assert [call for call in server.calls if call.startswith("DELETE")] == [f"DELETE {PROXY}/1/r/artifacts/f"]
