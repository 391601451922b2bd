"""Object stores of tests: quick to give up, each with keys of its own."""

from __future__ import annotations

import uuid

from immutabledict import immutabledict

from mlopus.repositories.stores.obstore_options import Patience
from mlopus.repositories.stores.obstore_store import ObjectStore
from tests.servers.object_stores import BUCKET

QUICK = Patience(timeout_s=1.0, connect_timeout_s=1.0, max_retries=1, backoff_s=0.01, retry_for_s=2.0)
LARGE = 16 * 1024 * 1024 + 12345


def store_on(uri: str, *, patience: Patience = QUICK, **options) -> ObjectStore:
    given = {"endpoint": uri, "access_key_id": "any", "secret_access_key": "body", **options}
    return ObjectStore(storage_options=immutabledict({"s3": immutabledict(given)}), patience=patience)


def some_url() -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
