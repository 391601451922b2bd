from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFile
from fsspec.registry import _registry, register_implementation
from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import IllegalPath, StalePlan, StoreFailed, Unsupported
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore, modes
from mlopus.repositories.stores.fsspec_store import FsspecStore
from mlopus.repositories.stores.router import StoreRouter
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract, StoreCase
from mlopus.testing.contracts.trees import BytesSink, BytesSource, Tally, upload_of

HOSTILE = (
    ("../up",),
    ("a/../../up",),
    ("a/./b",),
    ("a//b",),
    ("/etc/passwd",),
    ("C:/windows",),
    ("back\\slash",),
    ("nul\0",),
    ("NUL",),
    ("conf/aux.json",),
    ("Com1.log",),
    ("\\\\host\\share",),
    ("//host/share",),
    ("bell\a",),
    ("\udcff",),
    ("Case", "case"),
    ("café", "cafe\u0301"),
    ("both", "both/file"),
    ("/".join("d" * 101),),
)
HOSTILE_IN_FSSPEC = tuple(names for names in HOSTILE if "both" not in names)  # it hides such a file itself
HOSTILE_ON_DISK = (
    ("NUL",),
    ("conf/aux.json",),
    ("back\\slash",),
    ("bell\a",),
    ("\udcff",),
    ("Case", "case"),
    ("café", "cafe\u0301"),
)


def memory_case(mode: dict[str, bool]) -> StoreCase:
    store = MemoryArtifactStore(**mode)
    url = "mem://bucket/root"

    def peek(path: str) -> bytes | None:
        held = store.stored.read(f"{url}/{path}")
        return None if held is None else held.content

    return StoreCase(
        store=store,
        url=url,
        seed=lambda path, content: store.stored.write(f"{url}/{path}", content) and None,
        peek=peek,
        hostile=HOSTILE,
        resumes=mode["gives_validators"],
    )


def folder_case(store, folder: Path, url: str) -> StoreCase:
    def seed(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def peek(path: str) -> bytes | None:
        target = folder / path
        return target.read_bytes() if target.is_file() else None

    return StoreCase(store=store, url=url, seed=seed, peek=peek, hostile=HOSTILE_ON_DISK)


class TestMemoryStore(ArtifactStoreContract):
    @pytest.fixture(
        params=list(modes()), ids=lambda mode: "-".join(k for k, v in mode.items() if v) or "silent"
    )
    def case(self, request) -> StoreCase:
        return memory_case(request.param)


class TestFolder(ArtifactStoreContract):
    @pytest.fixture
    def case(self, tmp_path) -> StoreCase:
        return folder_case(FsspecStore(), tmp_path / "store", str(tmp_path / "store"))


class TestFileUrl(ArtifactStoreContract):
    @pytest.fixture
    def case(self, tmp_path) -> StoreCase:
        return folder_case(FsspecStore(), tmp_path / "my store", f"file://{tmp_path}/my%20store")


class TestFsspecFolder(ArtifactStoreContract):
    """The adapter itself on real files, by a scheme that fsspec has for them too."""

    @pytest.fixture
    def case(self, tmp_path) -> StoreCase:
        return folder_case(FsspecStore(), tmp_path / "store", f"local://{tmp_path}/store")


class TestFsspecMemory(ArtifactStoreContract):
    @pytest.fixture
    def case(self, request) -> StoreCase:
        system = fsspec.filesystem("memory", skip_instance_cache=True)
        root = f"/{request.node.name}"

        def peek(path: str) -> bytes | None:
            held = system.store.get(f"{root}/{path}")
            return None if held is None else held.getvalue()

        def seed(path: str, content: bytes) -> None:
            system.store[f"{root}/{path}"] = MemoryFile(system, f"{root}/{path}", content)

        yield StoreCase(
            store=FsspecStore(), url=f"memory:/{root}", seed=seed, peek=peek, hostile=HOSTILE_IN_FSSPEC
        )
        for path in [path for path in system.store if path.startswith(root)]:
            del system.store[path]
        system.pseudo_dirs[:] = [path for path in system.pseudo_dirs if not path.startswith(root)]


class TestRouter(ArtifactStoreContract):
    @pytest.fixture
    def case(self, tmp_path) -> StoreCase:
        store = StoreRouter(
            by_scheme=immutabledict({"mem": MemoryArtifactStore()}),
            default=FsspecStore(),
            scheme_map=immutabledict({"s3.?": "local"}),
        )
        return folder_case(store, tmp_path / "store", f"s3a://{tmp_path}/store")


def test_a_store_by_its_scheme_gets_what_the_router_gets() -> None:
    named, other = MemoryArtifactStore(), MemoryArtifactStore()
    router = StoreRouter(by_scheme=immutabledict({"mem": named}), default=other)

    router.upload(upload_of("mem://a", {"x": b"1"}), BytesSource({"x": b"1"})).unwrap()

    assert named.list_tree("mem://a").unwrap().exists
    assert not other.list_tree("mem://a").unwrap().exists


class TestLocalUploads:
    def test_a_moved_file_leaves_its_source(self, tmp_path) -> None:
        source = tmp_path / "source"
        (source / "data").mkdir(parents=True)
        (source / "data/weights").write_bytes(b"w")
        inode = (source / "data/weights").stat().st_ino
        step = step_of(tmp_path / "store", source, move=True)

        FsspecStore().upload(step, LocalWorkspace("t").source(str(source))).unwrap()

        assert not source.exists()
        assert (tmp_path / "store/data/weights").stat().st_ino == inode

    def test_a_moved_link_is_sent_as_its_content(self, tmp_path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        (tmp_path / "elsewhere").write_bytes(b"w")
        (source / "link").symlink_to(tmp_path / "elsewhere")
        step = step_of(tmp_path / "store", source, move=True)

        FsspecStore().upload(step, LocalWorkspace("t").source(str(source))).unwrap()

        assert not (tmp_path / "store/link").is_symlink()
        assert (tmp_path / "elsewhere").read_bytes() == b"w"

    def test_a_copied_file_stays_where_it_is(self, tmp_path) -> None:
        source = tmp_path / "source.bin"
        source.write_bytes(b"w")
        step = step_of(tmp_path / "store/file.bin", source, move=False)

        FsspecStore().upload(step, LocalWorkspace("t").source(str(source))).unwrap()

        assert source.read_bytes() == (tmp_path / "store/file.bin").read_bytes() == b"w"

    def test_a_file_modified_since_it_was_hashed_is_not_moved(self, tmp_path) -> None:
        source = tmp_path / "source.bin"
        source.write_bytes(b"w")
        step = step_of(tmp_path / "store/file.bin", source, move=True)
        os.utime(source, ns=(0, 0))

        sent = FsspecStore().upload(step, LocalWorkspace("t").source(str(source)))

        assert isinstance(sent.failure(), StalePlan)
        assert source.exists()
        assert not (tmp_path / "store/file.bin").exists()

    def test_unfinished_uploads_of_the_dead_are_not_listed_and_go_with_the_next(self, tmp_path) -> None:
        store = tmp_path / "store"
        store.mkdir()
        # the owner of this name is a process of another machine that left it decades ago
        part = store / ".mlopus-00000000-1-1-abcd.part"
        part.write_bytes(b"half")
        os.utime(part, (0, 0))
        listed = FsspecStore().list_tree(str(store)).unwrap()

        assert listed.files == ()

    def test_a_server_elsewhere_names_no_file_of_this_disk(self, tmp_path) -> None:
        (tmp_path / "secret").write_bytes(b"s")
        store = FsspecStore(allow_local=False)
        url = str(tmp_path)

        refusals = [
            store.facts(url),
            store.list_tree(url),
            store.list_folder(url),
            store.fetch(url, (RemoteFile(path="secret"),), BytesSink()),
            store.upload(upload_of(url, {"x": b"1"}), BytesSource({"x": b"1"})),
            store.remove(url, ("secret",)),
            store.open(f"{url}/secret"),
        ]

        assert [type(refusal.failure()) for refusal in refusals] == [IllegalPath] * len(refusals)
        assert store.local_source(url) is None
        assert os.listdir(tmp_path) == ["secret"]


def step_of(target: Path, source: Path, *, move: bool):
    facts = LocalWorkspace("temp").source_facts(str(source)).unwrap()
    contents = {"": b""} if facts.is_file else {file.path: b"" for file in facts.files}
    return upload_of(str(target), contents, files=facts.files, move=move)


class Broken(AbstractFileSystem):
    """A filesystem that fails in its own words, with the URL in them."""

    protocol = "broken"
    raises: type[Exception] = RuntimeError

    @classmethod
    def _strip_protocol(cls, path):
        return path

    def find(self, path, **_):
        raise self.raises(f"no luck with {path}")


@pytest.fixture
def broken():
    register_implementation("broken", Broken, clobber=True)
    yield Broken
    Broken.raises = RuntimeError
    _registry.pop("broken")


class TestFsspecAlone:
    def test_a_scheme_that_nobody_serves_is_unsupported(self) -> None:
        assert isinstance(FsspecStore().facts("nobody://x").failure(), Unsupported)

    def test_a_scheme_whose_package_is_missing_names_the_extra(self, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "aiohttp", None)

        refused = FsspecStore().facts("https://host/run")

        assert "mlopus[http]" in (refused.failure().hint or "")

    @pytest.mark.parametrize("raised", [RuntimeError, PermissionError, OSError])
    def test_what_a_filesystem_raises_becomes_store_failed_without_the_password(self, broken, raised) -> None:
        broken.raises = raised

        failed = FsspecStore().list_tree("broken://ann:secret@host/run")

        assert isinstance(failed.failure(), StoreFailed)
        assert "no luck" in str(failed.failure())
        assert "secret" not in str(failed.failure())

    def test_what_a_filesystem_does_not_find_is_an_empty_listing(self, broken) -> None:
        broken.raises = FileNotFoundError

        assert FsspecStore().list_tree("broken://host/run").unwrap().files == ()

    def test_files_cannot_be_moved_to_a_remote_store(self) -> None:
        sent = FsspecStore().upload(upload_of("memory://x", {"a": b"1"}, move=True), BytesSource({"a": b"1"}))

        assert isinstance(sent.failure(), Unsupported)

    @pytest.mark.usefixtures("broken")
    def test_options_of_a_scheme_reach_its_filesystem(self) -> None:
        seen = []

        class Seeing(Broken):
            def __init__(self, *args, **options) -> None:
                super().__init__(*args, **options)
                seen.append(options)

        register_implementation("broken", Seeing, clobber=True)
        options = immutabledict({"broken": immutabledict({"client": immutabledict({"key": "k"})})})

        FsspecStore(storage_options=options).list_tree("broken://host/run")

        assert seen == [{"client": {"key": "k"}}]

    @pytest.mark.usefixtures("broken")
    def test_a_filesystem_is_opened_once_for_a_host(self) -> None:
        opened = []

        class Seeing(Broken):
            def __init__(self, *args, **options) -> None:
                super().__init__(*args, **options)
                opened.append(self)

        register_implementation("broken", Seeing, clobber=True)
        store = FsspecStore()

        for url in ("broken://host/a", "broken://host/b", "broken://other/a"):
            store.metered(Tally()).list_tree(url)

        assert len(opened) == 2

    @pytest.mark.usefixtures("broken")
    def test_calls_that_leave_the_process_are_counted_as_requests(self) -> None:
        far, near = Tally(), Tally()

        FsspecStore().metered(far).list_tree("broken://host/run")
        FsspecStore().metered(near).list_tree("memory://nothing").unwrap()

        assert (far.requests, near.requests) == (1, 0)

    def test_a_file_of_an_archive_is_read_through_a_chained_url(self, tmp_path) -> None:
        with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
            archive.writestr("model/data/weights", b"w")
        sink, store = BytesSink(), FsspecStore()
        url = f"zip://model::{tmp_path}/run.zip"

        store.fetch(url, store.list_tree(url).unwrap().files, sink).unwrap()

        assert sink.contents == {"data/weights": b"w"}
