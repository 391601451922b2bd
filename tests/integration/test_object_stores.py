"""Object stores beyond the contract: real S3 with credentials, large files, forks; and servers that lie."""

from __future__ import annotations

import json
import os
import pickle
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus.domain.manifest import LocalFile
from mlopus.errors import (
    IllegalPath,
    NotFound,
    ServerFailed,
    StalePlan,
    StoreFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from mlopus.repositories.disk.folder_source import FolderSource
from mlopus.repositories.stores.obstore_options import Patience
from mlopus.repositories.stores.obstore_reading import RANGE_BYTES
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of
from tests.servers.messages import Answer, SeenRequest
from tests.servers.object_stores import BUCKET, S3Server, giving_parts

QUICK = Patience(timeout_s=1.0, connect_timeout_s=1.0, max_retries=1, backoff_s=0.01, retry_for_s=2.0)
LARGE = 2 * RANGE_BYTES + 12345


def store_on(uri: str, *, patience: Patience = QUICK, **options) -> ObjectStore:
    given = {"endpoint": uri, "access_key_id": "any", "secret_access_key": "body", **options}
    return ObjectStore(storage_options=immutabledict({"s3": immutabledict(given)}), patience=patience)


def some_url() -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


def listing_of(*keys: str) -> Answer:
    rows = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
        for key in keys
    )
    text = (
        f'<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>{len(keys)}</KeyCount>'
        f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
    )
    return Answer(headers=(("Content-Type", "application/xml"),), body=text.encode())


class TestListingsThatLie:
    @pytest.mark.parametrize(
        "keys",
        [
            ["r/../up"],
            ["r/a/../../up"],
            ["r/a/./b"],
            ["r/a//b"],
            ["/etc/passwd"],
            ["elsewhere/file"],
            ["r/C:/windows"],
            ["r/back\\slash"],
            ["r/bell&#7;"],
            ["r/Case", "r/case"],
            ["r/café", "r/cafe\u0301"],
            ["r/both", "r/both/file"],
            ["r/twice", "r/twice"],
            ["r/" + "/".join("d" * 101)],
        ],
        ids=lambda keys: repr(keys[0][:20]),
    )
    def test_a_key_that_is_no_plain_path_below_the_url_is_refused(self, loopback, keys) -> None:
        store = store_on(loopback(listing_of(*keys)).uri)

        refused = store.list_tree("s3://b/r")

        assert isinstance(refused.failure(), IllegalPath)

    def test_empty_objects_in_the_place_of_folders_are_no_files(self, loopback) -> None:
        listing = listing_of("r/data/", "r/data/x").body.replace(b"<Size>1</Size>", b"<Size>0</Size>", 1)
        store = store_on(loopback(Answer(body=listing)).uri)

        assert [file.path for file in store.list_tree("s3://b/r").unwrap().files] == ["data/x"]


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (Answer(status=401), Unauthorized),
            (Answer(status=403, body=b"<Error><Code>AccessDenied</Code></Error>"), Unauthorized),
            (Answer(status=404, body=b"<Error><Code>NoSuchBucket</Code></Error>"), NotFound),
            (Answer(status=500), ServerFailed),
            (Answer(status=429), ServerFailed),
            (Answer(status=301), StoreFailed),
            (Answer.of_html(), StoreFailed),
            (Answer(hang_up=True), Unreachable),
            (Answer(delay_s=30.0), TimedOut),
        ],
        ids=["401", "403", "no bucket", "500", "429", "301", "html", "hang up", "stall"],
    )
    def test_a_store_that_does_not_list_is_never_an_empty_one(self, loopback, answer, error) -> None:
        store = store_on(loopback(answer).uri)

        failed = store.list_tree("s3://b/r")

        assert isinstance(failed.failure(), error)

    def test_a_store_that_nobody_runs_is_unreachable(self) -> None:
        assert isinstance(store_on("http://127.0.0.1:9").list_tree("s3://b/r").failure(), Unreachable)

    def test_no_error_tells_what_a_url_carries(self, loopback) -> None:
        store = ObjectStore(
            storage_options=immutabledict(
                {
                    "az": {
                        "account_name": "a",
                        "sas_token": "sv=1&sig=topsecret",
                        "endpoint": loopback(Answer(status=500)).uri,
                    }
                }
            ),
            patience=QUICK,
        )

        failed = store.list_tree("az://c/r").failure()

        assert isinstance(failed, ServerFailed)
        assert "topsecret" not in repr(failed)

    def test_an_option_that_nobody_knows_is_refused_by_its_name(self) -> None:
        refused = store_on("http://127.0.0.1:9", colour="red").list_tree("s3://b/r").failure()

        assert isinstance(refused, mlopus.errors.InvalidValue)
        assert "colour" in str(refused)

    @pytest.mark.parametrize(
        ("url", "extra"), [("s3://b/r", "s3"), ("gs://b/r", "gcs"), ("az://b/r", "azure")]
    )
    def test_without_the_package_the_extra_is_named(self, monkeypatch, url, extra) -> None:
        monkeypatch.setitem(sys.modules, "obstore", None)

        refused = ObjectStore().facts(url).failure()

        assert isinstance(refused, Unsupported)
        assert refused.hint == f"pip install 'mlopus[{extra}]'"


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
