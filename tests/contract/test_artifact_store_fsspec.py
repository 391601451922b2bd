"""The artifact store contract on real servers and archives that fsspec reaches."""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from pathlib import Path

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.repositories.stores.fsspec_store import FsspecStore
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract, ReadOnlyStoreContract
from mlopus.testing.contracts.store_case import StoreCase
from tests.servers.file_servers import FileServer
from tests.servers.fixtures import StartProxy
from tests.servers.messages import Answer, SeenRequest

HOSTILE = (("back\\slash",), ("bell\a",), ("Case", "case"), ("café", "cafe\u0301"))


def case_in(
    store: FsspecStore, folder: Path, url: str, *, resumes: bool = False, has_folders: bool = False
) -> StoreCase:
    def seed(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def peek(path: str) -> bytes | None:
        target = folder / path
        return target.read_bytes() if target.is_file() else None

    return StoreCase(
        store=store, url=url, seed=seed, peek=peek, hostile=HOSTILE, resumes=resumes, has_folders=has_folders
    )


class TestSftp(ArtifactStoreContract):
    @pytest.fixture
    def case(self, sftp_server: FileServer) -> StoreCase:
        root = uuid.uuid4().hex
        options = immutabledict({"sftp": immutabledict(sftp_server.options)})
        return case_in(
            FsspecStore(storage_options=options),
            sftp_server.folder / root,
            f"{sftp_server.url}/{root}",
            has_folders=True,
        )


class TestHttp(ReadOnlyStoreContract):
    @pytest.fixture
    def case(self, http_server: FileServer) -> StoreCase:
        root = uuid.uuid4().hex
        return case_in(FsspecStore(), http_server.folder / root, f"{http_server.url}/{root}")


class TestHttpWithVersions(ReadOnlyStoreContract):
    """A web server that names versions of files and gives parts of them, as most do."""

    @pytest.fixture
    def case(self, http_server: FileServer, counting_proxy: StartProxy) -> StoreCase:
        root = uuid.uuid4().hex
        uri = counting_proxy(http_server.url, spoil=with_versions).uri
        return case_in(FsspecStore(), http_server.folder / root, f"{uri}/{root}", resumes=True)


def with_versions(request: SeenRequest, answer: Answer) -> Answer:
    """What a web server says beyond what Python's does: an ETag, and the part of that version only."""
    if answer.status != 200 or request.method != "GET" or request.path.endswith("/"):
        return answer
    etag = f'"{hashlib.sha256(answer.body).hexdigest()}"'
    headers = (*answer.headers, ("ETag", etag))
    begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    if "range" not in request.headers or request.headers.get("if-range") != etag:
        return attrs.evolve(answer, headers=headers)
    if begin >= len(answer.body):
        return Answer(status=416, headers=headers)
    told = ("Content-Range", f"bytes {begin}-{len(answer.body) - 1}/{len(answer.body)}")
    return Answer(status=206, headers=(*headers, told), body=answer.body[begin:])


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
