"""The artifact store contract on real object stores."""

from __future__ import annotations

import uuid

import obstore
import pytest
from immutabledict import immutabledict
from obstore.store import AzureStore, GCSStore, S3Store

from mlopus.repositories.stores.obstore_store import ObjectStore
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract
from mlopus.testing.contracts.store_case import StoreCase
from tests.servers.azurite import Azurite, make_container
from tests.servers.loopback import Loopback
from tests.servers.object_stores import BUCKET, S3Server, giving_parts

HOSTILE = (("back\\slash",), ("Case", "case"), ("café", "cafe\u0301"), ("C:/windows",))

HOSTILE_BUT_BACKSLASH = HOSTILE[1:]  # which both emulators take for a slash


def case_on(store: ObjectStore, raw, url: str, root: str, *, hostile=HOSTILE, **how) -> StoreCase:
    """A case whose files are written and read with obstore alone."""

    def seed(path: str, content: bytes) -> None:
        obstore.put(raw, f"{root}/{path}", content)

    def peek(path: str) -> bytes | None:
        try:
            return bytes(obstore.get(raw, f"{root}/{path}").bytes())
        except FileNotFoundError:
            return None

    return StoreCase(store=store, url=url, seed=seed, peek=peek, keeps_folders=False, hostile=hostile, **how)


def s3_case(server: S3Server, uri: str, **how) -> StoreCase:
    root = uuid.uuid4().hex
    options = {**server.options, "endpoint": uri}
    raw = S3Store(BUCKET, config=server.options, client_options={"allow_http": True})
    store = ObjectStore(storage_options=immutabledict({"s3": immutabledict(options)}))
    return case_on(store, raw, f"s3://{BUCKET}/{root}", root, **how)


class TestS3(ArtifactStoreContract):
    """S3 as it is: parts of an object can be had."""

    @pytest.fixture
    def case(self, s3_server: S3Server, counting_proxy) -> StoreCase:
        return s3_case(s3_server, counting_proxy(s3_server.uri, spoil=giving_parts).uri, resumes=True)


class TestS3WithoutParts(ArtifactStoreContract):
    """A server that does not say that a part is one."""

    @pytest.fixture
    def case(self, s3_server: S3Server) -> StoreCase:
        return s3_case(s3_server, s3_server.uri)


class TestGcs(ArtifactStoreContract):
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
class TestAzure(ArtifactStoreContract):
    @pytest.fixture
    def case(self, azurite: Azurite) -> StoreCase:
        root = uuid.uuid4().hex
        make_container(azurite, root)
        raw = AzureStore(root, config=azurite.options, client_options={"allow_http": True})
        store = ObjectStore(storage_options=immutabledict({"az": immutabledict(azurite.options)}))
        url = f"az://{root}/run"
        return case_on(store, raw, url, "run", hostile=HOSTILE_BUT_BACKSLASH, resumes=True)
