"""Placing on real disks: what they refuse, what others left, what leads into local stores."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import attrs
import pytest

from mlopus.errors import StoreFailed, Unsupported
from mlopus.plans.steps import CachedTree, StoreTree
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.stores.fsspec_store import FsspecStore
from mlopus.testing.contracts.trees import MODEL, BytesSource, Tally
from mlopus.testing.contracts.workspace_case import Cached, place_of


@pytest.fixture
def workspace(tmp_path) -> LocalWorkspace:
    return LocalWorkspace(str(tmp_path / "temp"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS])
def test_what_cannot_be_linked_is_copied_where_the_ladder_says_so(
    tmp_path, workspace, monkeypatch, number
) -> None:
    cached = Cached.of(MODEL)
    step = place_of(MODEL, kinds=("hardlink", "copy"), tree=CachedTree(tree_key=cached.key))

    def refuse(*_, **__) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    placed = workspace.place(step, str(tmp_path / "target"), cached.source, Tally()).unwrap()

    assert dict(placed.links) == {"copy": len(MODEL)}
    assert contents(tmp_path / "target") == MODEL


def test_one_file_with_too_many_links_does_not_keep_the_others_from_being_linked(
    tmp_path, workspace, monkeypatch
) -> None:
    cached = Cached.of({"full": b"1", "other": b"2"})
    step = place_of(
        {"full": b"1", "other": b"2"}, kinds=("hardlink", "copy"), tree=CachedTree(tree_key=cached.key)
    )
    link = os.link

    def refuse_one(source, *args, **options) -> None:
        if str(source).endswith("full"):
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        link(source, *args, **options)

    monkeypatch.setattr(os, "link", refuse_one)
    placed = workspace.place(step, str(tmp_path / "target"), cached.source, Tally()).unwrap()

    assert dict(placed.links) == {"hardlink": 1, "copy": 1}


def test_a_kind_that_was_asked_for_alone_is_that_kind_or_a_failure(tmp_path, workspace, monkeypatch) -> None:
    cached = Cached.of(MODEL)
    step = place_of(MODEL, kinds=("hardlink",), tree=CachedTree(tree_key=cached.key))

    def refuse(*_, **__) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    refused = workspace.place(step, str(tmp_path / "target"), cached.source, Tally())

    assert isinstance(refused.failure(), Unsupported)
    assert "link=False" in (refused.failure().hint or "")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_what_was_there(tmp_path, workspace, monkeypatch) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine").write_bytes(b"1")
    expect = workspace.target_facts(str(target), None).unwrap().expectation
    symlink = os.symlink

    def full_at_the_second(source, link) -> None:
        if str(source).endswith("weights.bin"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        symlink(source, link)

    monkeypatch.setattr(os, "symlink", full_at_the_second)
    cached = Cached.of(MODEL)
    step = place_of(MODEL, kinds=("symlink",), tree=CachedTree(tree_key=cached.key), expect=expect)
    failed = workspace.place(step, str(target), cached.source, Tally())

    assert isinstance(failed.failure(), StoreFailed)
    assert contents(tmp_path) == {"target/mine": b"1"}


def test_what_a_living_writer_prepares_beside_the_target_is_left_alone(tmp_path, workspace) -> None:
    target, seen = str(tmp_path / "target"), []

    @attrs.frozen
    class Watched(BytesSource):
        def open(self, path):
            workspace.target_facts(target, None).unwrap()  # another user looks at the target
            seen.append(os.listdir(tmp_path))
            return super().open(path)

    workspace.place(place_of({"a": b"1"}), target, Watched({"a": b"1"}), Tally()).unwrap()

    ((hidden,),) = seen
    assert hidden.startswith(".mlopus-")
    assert contents(tmp_path) == {"target/a": b"1"}


def test_links_into_a_store_of_this_disk_are_recognised_by_its_url(tmp_path, workspace) -> None:
    store, target = tmp_path / "my store", tmp_path / "target"
    for path, content in MODEL.items():
        (store / path).parent.mkdir(parents=True, exist_ok=True)
        (store / path).write_bytes(content)
    url = f"file://{tmp_path}/my%20store"
    step = place_of(MODEL, kinds=("symlink",), tree=StoreTree(store_url=url))

    workspace.place(step, str(target), FsspecStore().local_source(url), Tally()).unwrap()

    shown = {f.path: f.links_to for f in workspace.target_facts(str(target), url).unwrap().files}
    assert shown["MLmodel"] == (url, "MLmodel")
    assert shown["data/weights.bin"] == (url, "data/weights.bin")
