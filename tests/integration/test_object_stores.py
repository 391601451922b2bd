"""Object stores beyond the contract: real S3 with large files, credentials and forks."""

from __future__ import annotations

import json
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus.domain.manifest import LocalFile
from mlopus.errors import (
    StalePlan,
    Unauthorized,
)
from mlopus.repositories.disk.folder_source import FolderSource
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.repositories.stores.ranges import RANGE_BYTES
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of
from tests.benchmarks.s3 import Bench
from tests.integration.objects import LARGE, QUICK, some_url, store_on
from tests.servers.messages import Answer, SeenRequest
from tests.servers.object_stores import S3Server, giving_parts


@pytest.fixture
def parts_uri(s3_server: S3Server, counting_proxy):
    return counting_proxy(s3_server.uri, spoil=giving_parts)


class TestLargeFiles:
    def test_a_large_file_goes_in_parts_and_comes_in_ranges_of_one_version(self, parts_uri) -> None:
        store, url, tally, sink = store_on(parts_uri.uri), some_url(), Tally(), BytesSink()
        content = os.urandom(LARGE)

        told = (
            store.metered(tally).upload(upload_of(url, {"w": content}), BytesSource({"w": content})).unwrap()
        )
        (file,) = store.list_tree(url).unwrap().files
        file = attrs.evolve(file, validator=None)
        sent = [request.method for request in parts_uri.requests]
        parts_uri.forget()
        came = store.metered(tally).fetch(url, (file,), sink).unwrap()

        assert set(told) == {"w"}
        assert sorted(sent) == ["GET", "POST", "POST", "PUT", "PUT", "PUT"]
        ranges = [request.headers["range"] for request in parts_uri.requests]
        assert sorted(ranges) == [
            f"bytes=0-{RANGE_BYTES - 1}",
            f"bytes={2 * RANGE_BYTES}-{LARGE - 1}",
            f"bytes={RANGE_BYTES}-{2 * RANGE_BYTES - 1}",
        ]
        later = [request.headers.get("if-match") for request in parts_uri.requests[1:]]
        assert later == [f'"{came["w"]}"'] * 2
        assert sink.contents == {"w": content}
        assert (tally.sent_bytes, tally.received_bytes, tally.requests) == (LARGE, LARGE, 5 + 3)

    def test_a_large_file_goes_on_after_what_is_kept(self, parts_uri) -> None:
        store, url = store_on(parts_uri.uri), some_url()
        content = os.urandom(LARGE)
        store.upload(upload_of(url, {"w": content}), BytesSource({"w": content})).unwrap()
        (file,) = store.list_tree(url).unwrap().files
        assert file.validator is not None
        sink, tally = BytesSink(left={"w": (file.validator, content[: LARGE - 1000])}), Tally()

        store.metered(tally).fetch(url, (file,), sink).unwrap()

        assert sink.contents == {"w": content}
        assert (tally.received_bytes, tally.resumed_bytes) == (1000, LARGE - 1000)

    def test_a_large_file_that_is_replaced_while_it_comes_is_stale(self, s3_server, counting_proxy) -> None:
        def replaced(request: SeenRequest, answer: Answer) -> Answer:
            answer = giving_parts(request, answer)
            if request.headers.get("range", "bytes=0-").startswith("bytes=0-"):
                return answer
            kept = tuple(pair for pair in answer.headers if pair[0].lower() != "etag")
            return attrs.evolve(answer, headers=(*kept, ("ETag", '"of another"')))

        url, sink, tally = some_url(), BytesSink(), Tally()
        content = os.urandom(LARGE)
        store_on(s3_server.uri).upload(upload_of(url, {"w": content}), BytesSource({"w": content})).unwrap()
        store = store_on(counting_proxy(s3_server.uri, spoil=replaced).uri).metered(tally)

        fetched = store.fetch(url, store.list_tree(url).unwrap().files, sink)

        assert isinstance(fetched.failure(), StalePlan)
        assert (sink.contents, tally.received_bytes) == ({}, 0)

    def test_a_large_source_that_changes_while_it_is_sent_leaves_the_old_object(
        self, parts_uri, tmp_path
    ) -> None:
        store, url, tally = store_on(parts_uri.uri), some_url(), Tally()
        store.upload(upload_of(url, {"w": b"old"}), BytesSource({"w": b"old"})).unwrap()
        (tmp_path / "w").write_bytes(os.urandom(LARGE))
        found = (tmp_path / "w").stat()
        hashed = LocalFile(path="w", size_bytes=LARGE, mtime_ns=found.st_mtime_ns, sha256="0" * 64)
        parts_uri.forget()

        sent = store.metered(tally).upload(
            upload_of(url, {"w": b""}, files=(hashed,)), FolderSource(str(tmp_path))
        )

        assert isinstance(sent.failure(), StalePlan)
        assert store.open(f"{url}/w").unwrap().read() == b"old"
        assert tally.sent_bytes == 0
        assert [request.method for request in parts_uri.requests].count("DELETE") == 1  # of its parts

    def test_a_large_file_is_opened_and_sought_in_without_fetching_it(self, parts_uri) -> None:
        store, url, tally = store_on(parts_uri.uri), some_url(), Tally()
        content = os.urandom(LARGE)
        store.upload(upload_of(url, {"w": content}), BytesSource({"w": content})).unwrap()

        with store.metered(tally).open(f"{url}/w").unwrap() as reader:
            reader.seek(-10, os.SEEK_END)
            tail = reader.read()
            reader.seek(5)
            head = reader.read(10)

        assert (tail, head) == (content[-10:], content[5:15])


class TestMemory:
    @pytest.mark.parametrize("gives_parts", [True, False])
    def test_a_file_larger_than_the_bound_passes_within_it(
        self, s3_server, counting_proxy, tmp_path, gives_parts
    ) -> None:
        size_bytes, bound_bytes = 26 * RANGE_BYTES, 150_000_000
        (tmp_path / "source").mkdir()
        with (tmp_path / "source/w").open("wb") as file:
            for number in range(26):
                file.write(bytes([number]) * RANGE_BYTES)
        uri = counting_proxy(s3_server.uri, spoil=giving_parts).uri if gives_parts else s3_server.uri
        bench, key = Bench(uri, tmp_path), uuid.uuid4().hex

        up = bench.measured("mlopus", "upload", key, tmp_path / "source")
        down = bench.measured("mlopus", "download", key, tmp_path / "cache")

        assert max(up["peak_bytes"], down["peak_bytes"]) <= bound_bytes < size_bytes


class TestCredentials:
    def test_two_apis_of_one_process_keep_their_credentials_apart(
        self, locked_s3_server, other_s3_server, monkeypatch
    ) -> None:
        for name, value in {
            "AWS_SESSION_TOKEN": "of a third",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "third",
            "AWS_SECRET_ACCESS_KEY": "third",
        }.items():
            monkeypatch.setenv(name, value)
        ann = store_on(locked_s3_server.uri, **locked_s3_server.options)
        bob = store_on(other_s3_server.uri, **other_s3_server.options)
        url = some_url()

        for store, content in ((ann, b"of ann"), (bob, b"of bob")):
            store.upload(upload_of(url, {"x": content}), BytesSource({"x": content})).unwrap()

        assert [store.open(f"{url}/x").unwrap().read() for store in (ann, bob)] == [b"of ann", b"of bob"]

    def test_the_credentials_of_one_do_not_open_the_other(self, locked_s3_server, other_s3_server) -> None:
        store = store_on("", **{**locked_s3_server.options, "endpoint": other_s3_server.uri})

        assert isinstance(store.list_tree(some_url()).failure(), Unauthorized)

    def test_variables_are_read_when_the_bucket_is_first_opened(self, locked_s3_server, monkeypatch) -> None:
        store, url = ObjectStore(patience=QUICK), some_url()
        for name, value in locked_s3_server.variables.items():
            monkeypatch.setenv(name, value)

        store.upload(upload_of(url, {"x": b"1"}), BytesSource({"x": b"1"})).unwrap()
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

        assert len(store.list_tree(url).unwrap().files) == 1
        assert isinstance(ObjectStore(patience=QUICK).list_tree(url).failure(), Unauthorized)

    def test_a_profile_of_aws_is_read(self, locked_s3_server, monkeypatch, tmp_path) -> None:
        keys = locked_s3_server.options
        (tmp_path / "credentials").write_text(
            f"[team]\naws_access_key_id = {keys['access_key_id']}\n"
            f"aws_secret_access_key = {keys['secret_access_key']}\n"
        )
        (tmp_path / "config").write_text(f"[profile team]\nendpoint_url = {keys['endpoint']}\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        store = ObjectStore(storage_options=immutabledict({"s3": {"profile": "team"}}), patience=QUICK)

        assert not store.list_tree(some_url()).unwrap().exists

    def test_a_profile_that_names_a_program_asks_it(self, locked_s3_server, monkeypatch, tmp_path) -> None:
        keys = locked_s3_server.options
        told = {
            "Version": 1,
            "AccessKeyId": keys["access_key_id"],
            "SecretAccessKey": keys["secret_access_key"],
        }
        (tmp_path / "told.json").write_text(json.dumps(told))
        (tmp_path / "config").write_text(
            f"[profile asks]\ncredential_process = cat {tmp_path}/told.json\nregion = eu-west-1\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        options = {"profile": "asks", "endpoint": locked_s3_server.uri}
        store = ObjectStore(storage_options=immutabledict({"s3": options}), patience=QUICK)

        assert not store.list_tree(some_url()).unwrap().exists

    def test_settings_reach_the_store_through_connect(self, locked_s3_server, tmp_path) -> None:
        (tmp_path / "source").mkdir()
        (tmp_path / "source/w").write_bytes(b"w")
        with_options = {"s3": locked_s3_server.options}
        api = mlopus.connect(
            str(tmp_path / "tracking"), cache_dir=str(tmp_path / "cache"), storage_options=with_options
        ).raising
        run = api.create_run(api.create_exp("e"), "r", repo=some_url())

        api.log_run_artifact(run, str(tmp_path / "source"))

        assert Path(api.get_run_artifact(run, "source"), "w").read_bytes() == b"w"


class TestProcesses:
    def test_a_forked_process_opens_its_own(self, s3_server) -> None:
        store, url = store_on(s3_server.uri), some_url()
        store.upload(upload_of(url, {"x": b"1"}), BytesSource({"x": b"1"})).unwrap()

        assert in_a_fork(lambda: store.open(f"{url}/x").unwrap().read()) == b"1"
        assert in_a_fork(lambda: in_a_fork(lambda: store.open(f"{url}/x").unwrap().read())) == b"1"
        assert store.open(f"{url}/x").unwrap().read() == b"1"

    def test_a_failure_in_a_forked_process_is_told_in_our_words(self, s3_server) -> None:
        store, url = store_on(s3_server.uri), some_url()
        store.list_tree(url).unwrap()

        def refusal() -> bytes:
            return type(store.open(f"{url}/x").failure()).__name__.encode()

        assert in_a_fork(refusal) == b"NotFound"

    def test_an_opened_store_can_be_pickled(self, s3_server) -> None:
        store, url = store_on(s3_server.uri), some_url()
        store.upload(upload_of(url, {"x": b"1"}), BytesSource({"x": b"1"})).unwrap()

        copy = pickle.loads(pickle.dumps(store))  # noqa: S301 (its own bytes)

        assert copy == store
        assert len(copy.list_tree(url).unwrap().files) == 1


def in_a_fork(work: Callable[[], bytes]) -> bytes:
    """What a function gives in a forked process, which is killed if it does not end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        import signal  # noqa: PLC0415

        signal.alarm(30)
        try:
            os.write(writing, work())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return told
