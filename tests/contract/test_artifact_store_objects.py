"""The artifact store contract on real object stores."""

from __future__ import annotations

import uuid
from typing import Any, TypeAlias

import obstore
import pytest
from immutabledict import immutabledict
from obstore.store import AzureStore, GCSStore, S3Store

from mlopus.domain.paths import join_url
from mlopus.plans.moving import requests_to_fetch, requests_to_send
from mlopus.repositories.stores.obstore_sending import PART_BYTES
from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.repositories.stores.ranges import RANGE_BYTES
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract
from mlopus.testing.contracts.store_case import StoreCase
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of
from tests.servers.azurite import Azurite, make_container
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.object_stores import BUCKET, S3Server, giving_parts

Raw: TypeAlias = AzureStore | GCSStore | S3Store
Names: TypeAlias = tuple[tuple[str, ...], ...]

HOSTILE: Names = (("back\\slash",), ("Case", "case"), ("café", "cafe\u0301"), ("C:/windows",))

SIZES = (0, RANGE_BYTES, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES)

HOSTILE_BUT_BACKSLASH = HOSTILE[1:]  # which both emulators take for a slash


def case_on(
    store: ObjectStore, raw: Raw, url: str, root: str, *, hostile: Names = HOSTILE, resumes: bool = False
) -> StoreCase:
    """A case whose files are written and read with obstore alone."""

    def seed(path: str, content: bytes) -> None:
        obstore.put(raw, f"{root}/{path}", content)

    def peek(path: str) -> bytes | None:
        try:
            return bytes(obstore.get(raw, f"{root}/{path}").bytes())
        except FileNotFoundError:
            return None

    return StoreCase(
        store=store, url=url, seed=seed, peek=peek, keeps_folders=False, hostile=hostile, resumes=resumes
    )


def s3_case(server: S3Server, uri: str, *, resumes: bool = False) -> StoreCase:
    root = uuid.uuid4().hex
    options = {**server.options, "endpoint": uri}
    config: Any = server.options
    raw = S3Store(BUCKET, config=config, client_options={"allow_http": True})
    store = ObjectStore(storage_options=immutabledict({"s3": immutabledict(options)}))
    return case_on(store, raw, f"s3://{BUCKET}/{root}", root, resumes=resumes)


class ObjectStoreContract(ArtifactStoreContract):
    """What plans rely on besides."""

    def test_files_take_the_requests_that_the_facts_tell(self, case: StoreCase) -> None:
        url, content, sent, fetched = join_url(case.url, "w"), bytes(max(SIZES)), Tally(), Tally()
        in_parts = case.store.facts(url).unwrap().in_parts
        for size in SIZES:
            step = upload_of(url, {"": content[:size]})
            case.store.metered(sent).upload(step, BytesSource({"": content[:size]})).unwrap()
            case.store.metered(fetched).fetch(url, case.listed(url), BytesSink()).unwrap()

        assert sent.requests == sum(requests_to_send(in_parts, size) for size in SIZES)
        told = [requests_to_fetch(in_parts, size) for size in SIZES]
        assert fetched.requests == sum(told if case.resumes else (1, 1, 2, 2, 2))

    def test_an_empty_object_is_a_file_where_folders_are_no_objects(self, case: StoreCase) -> None:
        url = case.fill({"empty": b""})

        told = case.store.file_above(url, "empty/x").unwrap()

        assert told == (None if url.startswith("az:") else "empty")

    def test_a_look_above_a_path_is_a_request_a_folder(self, case: StoreCase) -> None:
        tally = Tally()

        case.store.metered(tally).file_above(case.url, "a/b/c").unwrap()

        assert tally.requests == 2


class TestS3(ObjectStoreContract):
    """S3 as it is: parts of an object can be had."""

    @pytest.fixture
    def case(self, s3_server: S3Server, counting_proxy: StartProxy) -> StoreCase:
        return s3_case(s3_server, counting_proxy(s3_server.uri, spoil=giving_parts).uri, resumes=True)


class TestS3WithoutParts(ObjectStoreContract):
    """A server that does not say that a part is one."""

    @pytest.fixture
    def case(self, s3_server: S3Server) -> StoreCase:
        return s3_case(s3_server, s3_server.uri)


class TestGcs(ObjectStoreContract):
    @pytest.fixture
    def case(self, gcs_server: Loopback) -> StoreCase:
        root = uuid.uuid4().hex
        options = {"base_url": gcs_server.uri, "skip_signature": True}
        raw = GCSStore(
            BUCKET,
            config={"base_url": gcs_server.uri},
            client_options={"allow_http": True},
            credential_provider=lambda: {"token": "anonymous", "expires_at": None},
        )
        store = ObjectStore(storage_options=immutabledict({"gs": immutabledict(options)}))
        return case_on(store, raw, f"gs://{BUCKET}/{root}", root, hostile=HOSTILE_BUT_BACKSLASH, resumes=True)


@pytest.mark.slow
class TestAzure(ObjectStoreContract):
    @pytest.fixture
    def case(self, azurite: Azurite) -> StoreCase:
        root = uuid.uuid4().hex
        make_container(azurite, root)
        config: Any = azurite.options
        raw = AzureStore(root, config=config, client_options={"allow_http": True})
        store = ObjectStore(storage_options=immutabledict({"az": immutabledict(azurite.options)}))
        url = f"az://{root}/run"
        return case_on(store, raw, url, "run", hostile=HOSTILE_BUT_BACKSLASH, resumes=True)
