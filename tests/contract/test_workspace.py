from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.memory.files import PlainFile
from mlopus.repositories.memory.workspace import MemoryWorkspace
from mlopus.testing.contracts.workspace import WorkspaceContract
from mlopus.testing.contracts.workspace_case import WorkspaceCase
from mlopus.testing.contracts.workspace_keeping import KeepingSightContract
from mlopus.testing.contracts.workspace_sources import RemovalContract, SourceContract


def local_case(folder: Path) -> WorkspaceCase:
    root = folder.resolve() / "root"
    root.mkdir()

    def write(path: str, content: bytes) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(content)

    return WorkspaceCase(
        workspace=LocalWorkspace(str(folder / "temp")),
        root=str(root),
        write=write,
        link=lambda path, target: os.symlink(target, path),
        make_folder=lambda path: os.makedirs(path, exist_ok=True),
        read=lambda path: Path(path).read_bytes() if os.path.isfile(path) else None,
        names=lambda path: os.listdir(path) if os.path.isdir(path) else [],
        is_writable=lambda path: bool(os.stat(path).st_mode & 0o222),
    )


def memory_case() -> WorkspaceCase:
    workspace = MemoryWorkspace()
    files = workspace.files
    files.make_folder("/data/root")

    def is_writable(path: str) -> bool:
        node = files.nodes[path]
        return isinstance(node, PlainFile) and node.is_writable

    return WorkspaceCase(
        workspace=workspace,
        root="/data/root",
        write=files.write,
        link=files.link,
        make_folder=files.make_folder,
        read=files.read,
        names=files.names_in,
        is_writable=is_writable,
    )


class TestLocalWorkspace(WorkspaceContract, SourceContract, RemovalContract, KeepingSightContract):
    @pytest.fixture
    def case(self, tmp_path) -> WorkspaceCase:
        return local_case(tmp_path)


class TestMemoryWorkspace(WorkspaceContract, SourceContract, RemovalContract, KeepingSightContract):
    @pytest.fixture
    def case(self) -> WorkspaceCase:
        return memory_case()
