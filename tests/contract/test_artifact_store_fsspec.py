"""The artifact store contract on real servers and archives that fsspec reaches."""

from __future__ import annotations

import uuid
import zipfile
from pathlib import Path

import pytest
from immutabledict import immutabledict

from mlopus.repositories.stores.fsspec_store import FsspecStore
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract, ReadOnlyStoreContract
from mlopus.testing.contracts.store_case import StoreCase
from tests.servers.file_servers import FileServer

HOSTILE = (("back\\slash",), ("bell\a",), ("Case", "case"), ("café", "cafe\u0301"))


def case_in(store: FsspecStore, folder: Path, url: str, **how) -> StoreCase:
    def seed(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def peek(path: str) -> bytes | None:
        target = folder / path
        return target.read_bytes() if target.is_file() else None

    return StoreCase(store=store, url=url, seed=seed, peek=peek, hostile=HOSTILE, **how)


class TestSftp(ArtifactStoreContract):
    @pytest.fixture
    def case(self, sftp_server: FileServer) -> StoreCase:
        root = uuid.uuid4().hex
        options = immutabledict({"sftp": immutabledict(sftp_server.options)})
        return case_in(
            FsspecStore(storage_options=options), sftp_server.folder / root, f"{sftp_server.url}/{root}"
        )


class TestHttp(ReadOnlyStoreContract):
    @pytest.fixture
    def case(self, http_server: FileServer) -> StoreCase:
        root = uuid.uuid4().hex
        return case_in(FsspecStore(), http_server.folder / root, f"{http_server.url}/{root}")


class TestZip(ReadOnlyStoreContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> StoreCase:
        archive = tmp_path / "run.zip"
        contents: dict[str, bytes] = {}

        def seed(path: str, content: bytes) -> None:
            contents[path] = content
            with zipfile.ZipFile(tmp_path / "new.zip", "w") as writer:
                for name, held in contents.items():
                    writer.writestr(f"artifacts/{name}", held)
            (tmp_path / "new.zip").replace(archive)

        seed("beside", b"")
        return StoreCase(
            store=FsspecStore(),
            url=f"zip://artifacts/here::{archive}",
            seed=lambda path, content: seed(f"here/{path}", content),
            peek=lambda path: contents.get(f"here/{path}"),
            hostile=HOSTILE,
        )
