"""Object stores that lie, fail, refuse and break off."""

from __future__ import annotations

import os
import sys

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus.errors import (
    IllegalPath,
    NotFound,
    ServerFailed,
    StoreFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of
from tests.integration.objects import LARGE, QUICK, some_url, store_on
from tests.servers.messages import Answer, SeenRequest
from tests.servers.object_stores import giving_parts


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


class TestBrokenTransfers:
    def test_a_body_that_breaks_off_goes_on_and_every_byte_counts_once(
        self, s3_server, counting_proxy
    ) -> None:
        broken: list[str] = []

        def breaking(request: SeenRequest, answer: Answer) -> Answer:
            answer = giving_parts(request, answer)
            if request.method != "GET" or "list-type" in request.target or broken:
                return answer
            broken.append(request.target)
            return attrs.evolve(answer, cut_after=len(answer.body) // 2)

        url, sink, tally = some_url(), BytesSink(), Tally()
        content = os.urandom(LARGE)
        store_on(s3_server.uri).upload(upload_of(url, {"w": content}), BytesSource({"w": content})).unwrap()
        store = store_on(counting_proxy(s3_server.uri, spoil=breaking).uri).metered(tally)

        store.fetch(url, store.list_tree(url).unwrap().files, sink).unwrap()

        assert len(broken) == 1
        assert sink.contents == {"w": content}
        assert tally.received_bytes == LARGE

    def test_a_burst_of_refusals_is_waited_out(self, s3_server, counting_proxy) -> None:
        refused: list[str] = []

        def refusing(request: SeenRequest) -> Answer | None:
            if len(refused) >= 2:
                return None
            refused.append(request.target)
            return Answer(status=503)

        url = some_url()
        patience = attrs.evolve(QUICK, max_retries=3, retry_for_s=20.0)
        store = store_on(counting_proxy(s3_server.uri, instead=refusing).uri, patience=patience)

        store.upload(upload_of(url, {"w": b"1"}), BytesSource({"w": b"1"})).unwrap()

        assert len(refused) == 2
        assert store.open(f"{url}/w").unwrap().read() == b"1"
