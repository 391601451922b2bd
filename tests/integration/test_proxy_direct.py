"""Large files behind MLflow's artifact proxy that move straight to and from its store."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import StalePlan
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores import proxy, proxy_direct, proxy_signed, ranges
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Success
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of
from tests.servers.fixtures import StartLoopback
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest

API = "/api/2.0/mlflow-artifacts"
URL = "mlflow-artifacts:/1/r/artifacts"
BODY = random.Random(5).randbytes(1_050_000)  # noqa: S311 (nothing is kept secret)
FILE = RemoteFile(path="big", size_bytes=len(BODY))
PART_BYTES = 100_000
SECRETS: dict[str, Any] = {"token": "tok-12345", "workspace": "team"}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as large fits a test."""
    monkeypatch.setattr(proxy, "LARGE_BYTES", 1_000_000)
    monkeypatch.setattr(proxy_direct, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(proxy_signed, "RANGE_BYTES", PART_BYTES)
    monkeypatch.setattr(ranges, "RANGE_BYTES", PART_BYTES)


@attrs.define
class Bucket:
    """A store that takes parts, and gives ranges of what is in it."""

    content: bytes = BODY
    etag: str = '"v1"'
    parts: dict[str, bytes] = attrs.field(factory=dict)
    instead: Callable[[SeenRequest], Answer | None] = lambda _: None

    def reply(self, request: SeenRequest) -> Answer:
        answer = self.instead(request)
        if answer is not None:
            return answer
        if request.method == "PUT":
            self.parts[dict(request.query)["part"]] = request.body
            return Answer(headers=(("ETag", f'"part {dict(request.query)["part"]}"'),))
        if request.headers.get("if-match", self.etag) != self.etag:
            return Answer(status=412)
        first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        body = self.content[first : last + 1]
        span = f"bytes {first}-{first + len(body) - 1}/{len(self.content)}"
        return Answer(status=206, headers=(("ETag", self.etag), ("Content-Range", span)), body=body)


@attrs.define
class Home:
    """A tracking server that offers its store, and can pass files on itself."""

    store_uri: str
    content: bytes = BODY
    offers: bool = True
    more_parts: int = 0

    def reply(self, request: SeenRequest) -> Answer:
        answer = self._answer(request)
        return attrs.evolve(answer, headers=(*answer.headers, ("Server", "uvicorn")))

    def _answer(self, request: SeenRequest) -> Answer:
        path = request.path
        if path.endswith("/server-info"):
            names = ("multipart_uploads_enabled", "multipart_downloads_enabled")
            return Answer.of_json(dict.fromkeys(names, self.offers))
        if path.startswith(f"{API}/presigned/"):
            return Answer.of_json({"url": f"{self.store_uri}/big?sig=1", "headers": {"x-signed": "yes"}})
        if path.startswith(f"{API}/mpu/create/"):
            numbers = range(1, request.json()["num_parts"] + self.more_parts + 1)
            parts = [{"part_number": n, "url": f"{self.store_uri}/big?part={n}"} for n in numbers]
            return Answer.of_json({"upload_id": "u1", "credentials": parts[::-1]})
        if path.startswith(f"{API}/mpu/"):
            return Answer.of_json({})
        return Answer(body=self.content) if request.method == "GET" else Answer()


@attrs.frozen
class Servers:
    """Both, running."""

    home: Home
    bucket: Bucket
    at_home: Loopback
    at_store: Loopback
    store: MlflowArtifactsStore

    def steps(self) -> list[str]:
        """What the home was asked, without what it was asked about."""
        paths = (
            request.path.removeprefix(f"{API}/").removesuffix("/1/r/artifacts")
            for request in self.at_home.requests
        )
        return [
            path.removesuffix("/big").removesuffix("/1/r/artifacts")
            for path in paths
            if "server-info" not in path
        ]


@pytest.fixture
def servers(loopback: StartLoopback) -> Servers:
    bucket = Bucket()
    at_store = loopback(bucket.reply)
    home = Home(at_store.uri)
    at_home = loopback(home.reply)
    tracking = MlflowTracking(uri=at_home.uri, backoff_s=0.0, retry_for_s=5.0, **SECRETS)
    return Servers(home, bucket, at_home, at_store, MlflowArtifactsStore(transport=tracking.transport))


def upload(content: bytes):
    return upload_of(URL, {"big": content})


def test_a_large_file_is_sent_in_parts_without_what_only_the_server_may_know(servers: Servers) -> None:
    tally = Tally()
    sent = servers.store.metered(tally).upload(upload(BODY), BytesSource({"big": BODY}))

    assert sent == Success(immutabledict())
    assert b"".join(servers.bucket.parts[str(n)] for n in range(1, 12)) == BODY
    assert servers.steps() == ["mpu/create", "mpu/complete"]
    completed = servers.at_home.requests[-1].json()
    assert [part["etag"] for part in completed["parts"]] == [f'"part {n}"' for n in range(1, 12)]
    assert (completed["path"], completed["upload_id"], tally.sent_bytes) == ("big", "u1", len(BODY))
    told = {name for request in servers.at_store.requests for name in request.headers}
    assert told.isdisjoint({"authorization", "x-mlflow-workspace", "cookie"})


def test_a_large_file_is_read_in_pieces_without_what_only_the_server_may_know(servers: Servers) -> None:
    sink, tally = BytesSink(), Tally()
    fetched = servers.store.metered(tally).fetch(URL, (FILE,), sink)

    assert (sink.contents, fetched) == ({"big": BODY}, Success(immutabledict({"big": '"v1"'})))
    assert servers.steps() == ["presigned"]
    assert (len(servers.at_store.requests), tally.received_bytes) == (11, len(BODY))
    assert {request.headers["x-signed"] for request in servers.at_store.requests} == {"yes"}
    assert {request.headers.get("if-match") for request in servers.at_store.requests[1:]} == {'"v1"'}
    told = {name for request in servers.at_store.requests for name in request.headers}
    assert told.isdisjoint({"authorization", "x-mlflow-workspace", "cookie"})


def test_a_server_that_offers_nothing_passes_the_file_on_itself(servers: Servers) -> None:
    servers.home.offers = False
    sink = BytesSink()

    servers.store.upload(upload(BODY), BytesSource({"big": BODY})).unwrap()
    servers.store.fetch(URL, (FILE,), sink).unwrap()

    assert sink.contents == {"big": BODY}
    assert servers.at_store.requests == ()
    assert servers.at_home.count("GET /api/3.0/mlflow/server-info") == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_does_not_say_what_it_offers_is_asked_once(
    loopback: StartLoopback, status: int
) -> None:
    def reply(request: SeenRequest) -> Answer:
        return Answer(status=status if request.path.endswith("/server-info") else 200)

    server = loopback(reply)
    store = MlflowArtifactsStore(transport=MlflowTracking(uri=server.uri).transport)

    for _ in range(2):
        store.upload(upload(BODY), BytesSource({"big": BODY})).unwrap()

    assert server.count("GET /api/3.0/mlflow/server-info") == 1


def test_a_store_that_cannot_be_reached_from_here_is_left_to_the_server(
    servers: Servers,
) -> None:
    servers.home.store_uri = "http://127.0.0.1:9"
    sink = BytesSink()

    servers.store.upload(upload(BODY), BytesSource({"big": BODY})).unwrap()
    servers.store.fetch(URL, (FILE,), sink).unwrap()

    assert sink.contents == {"big": BODY}
    assert servers.steps() == ["mpu/create", "mpu/abort", "artifacts", "presigned", "artifacts"]


@pytest.mark.parametrize("more_parts", [-1, 1])
def test_a_server_that_gives_another_number_of_parts_passes_the_file_on_itself(
    servers: Servers, more_parts: int
) -> None:
    servers.home.more_parts = more_parts

    servers.store.upload(upload(BODY), BytesSource({"big": BODY})).unwrap()

    assert servers.steps() == ["mpu/create", "mpu/abort", "artifacts"]
    assert servers.at_home.requests[-1].body == BODY


def test_small_files_cost_no_more_requests(servers: Servers) -> None:
    servers.home.content = b"small"
    file = RemoteFile(path="big", size_bytes=5)

    servers.store.fetch(URL, (file,), BytesSink()).unwrap()
    servers.store.upload(upload(b"small"), BytesSource({"big": b"small"})).unwrap()

    assert [request.method for request in servers.at_home.requests] == ["GET", "PUT"]


def test_a_source_of_another_content_than_was_hashed_is_never_completed(servers: Servers) -> None:
    tally, changed = Tally(), BODY[:-1] + b"!"
    for content in (changed, BODY[:-1], BODY + b"!"):
        step = upload(BODY)
        sent = servers.store.metered(tally).upload(step, BytesSource({"big": content}))

        assert isinstance(sent.failure(), StalePlan)
    assert servers.steps() == ["mpu/create", "mpu/abort"] * 3
    assert tally.sent_bytes == 0


def test_pieces_of_two_versions_are_never_mixed(servers: Servers) -> None:
    def replace(_: SeenRequest) -> None:
        if len(servers.at_store.requests) == 5:
            servers.bucket.etag, servers.bucket.content = '"v2"', BODY[::-1]

    servers.bucket.instead = replace
    sink = BytesSink()

    fetched = servers.store.fetch(URL, (FILE,), sink)

    assert isinstance(fetched.failure(), StalePlan)
    assert sink.contents == {}


def test_a_url_that_is_too_old_is_replaced(servers: Servers) -> None:
    def expire(_: SeenRequest) -> Answer | None:
        return Answer(status=403) if len(servers.at_store.requests) == 3 else None

    servers.bucket.instead = expire
    sink = BytesSink()

    servers.store.fetch(URL, (FILE,), sink).unwrap()

    assert sink.contents == {"big": BODY}
    assert servers.steps() == ["presigned", "presigned"]


@pytest.mark.parametrize(
    ("validator", "received_bytes"), [('"v1"', len(BODY) - 300_000), ('"v0"', len(BODY))]
)
def test_what_is_kept_of_the_same_version_is_not_asked_for(
    servers: Servers, validator: str, received_bytes: int
) -> None:
    sink, tally = BytesSink(left={"big": (validator, BODY[:300_000])}), Tally()

    servers.store.metered(tally).fetch(URL, (FILE,), sink).unwrap()

    assert sink.contents == {"big": BODY}
    assert tally.received_bytes == received_bytes


def test_an_open_url_is_not_used_where_the_server_is_encrypted(servers: Servers) -> None:
    transport = MlflowTracking(uri="https://mlflow.example", retry_for_s=0.0).transport
    outcome = transport.open_signed(
        proxy_direct.part_request(), servers.at_store.uri, headers={}, content=b"x"
    )

    assert "it names" in str(outcome.error)  # type: ignore[union-attr]
    assert servers.at_store.requests == ()
