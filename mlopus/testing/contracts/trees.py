"""Trees made of bytes, for the contracts: to be sent, to be received into, to be compared."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject, LocalFile, Manifest, ManifestFile, RemoteFile
from mlopus.errors import MlopusError, NotFound
from mlopus.plans.steps import CommitTree, UploadFile, UploadFiles
from mlopus.ports.streams import FileSink, Kept, TreeSource
from mlopus.result import Failure, Result, Success

RUN = ArtifactSubject(kind="run", key="3f2a")
MORNING = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)

MODEL: immutabledict[str, bytes] = immutabledict(
    {"MLmodel": b"flavors: {}\n", "data/weights.bin": bytes(range(256)) * 20, "data/empty.txt": b""}
)
AWKWARD: immutabledict[str, bytes] = immutabledict(
    {
        name: name.encode()
        for name in (
            "two words.txt",
            "größe/ファイル.bin",
            "😀",
            "-rf",
            "$HOME",
            "50%25 off",
            "a#b",
            "is it?",
            "[x]*",
            "semi;colon&amp",
            "'quoted\"",
            "..dots..",
            ".hidden/.file",
            "trailing.",
            "~",
            "n" * 200,
        )
    }
)


def sha256(content: bytes) -> str:
    """The digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


@attrs.frozen
class BytesSource:
    """A tree to be read that is on no disk."""

    contents: Mapping[str, bytes]

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A file of it."""
        if path not in self.contents:
            return Failure(NotFound(kind="file", key=path, place="this test"))
        return Success(io.BytesIO(self.contents[path]))

    def local_path(self, path: str) -> str | None:  # noqa: ARG002 (it is on no disk)
        """None."""
        return None


class BytesFile:
    """One file that is received. Writing fails if it was told to."""

    def __init__(self, failure: MlopusError | None, left: tuple[str, bytes] | None = None) -> None:
        self.content = b""
        self.validator: str | None = None
        self._failure = failure
        self._left = left

    @property
    def kept(self) -> Kept | None:
        """What the test says is left."""
        if self._left is None:
            return None
        return Kept(size_bytes=len(self._left[1]), validator=self._left[0])

    @property
    def sha256(self) -> str:
        """The digest of what came."""
        return sha256(self.content)

    def resume(self, size_bytes: int) -> Result[None, MlopusError]:
        """Begin with what is left."""
        assert self._left is not None
        self.content = self._left[1][:size_bytes]
        return Success(None)

    def identify(self, validator: str) -> Result[None, MlopusError]:
        """Note the validator."""
        self.validator = validator
        return Success(None)

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Take a chunk."""
        if self._failure is not None:
            return Failure(self._failure)
        self.content += bytes(chunk)
        return Success(None)

    def restart(self) -> Result[None, MlopusError]:
        """Begin again."""
        self.content = b""
        return Success(None)


class BytesSink:
    """A tree that is received into memory.

    Attributes:
        contents: The files that were completed.
        left: What is left of files by another writer, each with the validator of its content.
        partial: The files that were not completed but identified.
    """

    def __init__(
        self, failure: MlopusError | None = None, left: Mapping[str, tuple[str, bytes]] | None = None
    ) -> None:
        self.contents: dict[str, bytes] = {}
        self.left = dict(left or {})
        self.partial: dict[str, tuple[str, bytes]] = {}
        self._failure = failure

    @contextlib.contextmanager
    def create(self, path: str) -> Generator[FileSink]:
        """A new file."""
        file = BytesFile(self._failure, self.left.get(path))
        try:
            yield file
        except BaseException:
            if file.validator is not None:
                self.partial[path] = (file.validator, file.content)
            raise
        self.contents[path] = file.content


class Tally:
    """A meter that adds up."""

    def __init__(self) -> None:
        self.requests = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self.resumed_bytes = 0
        self.files: list[str] = []

    def requested(self, count: int = 1) -> None:
        """Count requests."""
        self.requests += count

    def sent(self, size_bytes: int) -> None:
        """Count bytes sent."""
        self.sent_bytes += size_bytes

    def received(self, size_bytes: int) -> None:
        """Count bytes received."""
        self.received_bytes += size_bytes

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that were there already."""
        self.resumed_bytes += size_bytes

    def finished(self, path: str) -> None:
        """Count files."""
        self.files.append(path)


def manifest_of(
    contents: Mapping[str, bytes], name: str = "model", *, empty_folders: tuple[str, ...] = ()
) -> Manifest:
    """What the manifest of a tree of these files is."""
    rows = tuple(
        ManifestFile(path=path, size_bytes=len(content), sha256=sha256(content))
        for path, content in contents.items()
    )
    return Manifest.of(name, rows, is_file=list(contents) == [""], empty_folders=empty_folders)


def commit_of(
    path: str = "model",
    *,
    contents: Mapping[str, bytes] = MODEL,
    taken_at: datetime = MORNING,
    empty_folders: tuple[str, ...] = (),
    subject: ArtifactSubject = RUN,
    validators: Mapping[str, str] | None = None,
) -> CommitTree:
    """A step that commits what is staged under these paths, as a run's artifact."""
    return CommitTree(
        staged="staged",
        subject=subject,
        path=path,
        name=path.rpartition("/")[2],
        is_file=list(contents) == [""],
        empty_folders=empty_folders,
        store_url=f"mem://runs/3f2a/{path}",
        validators=immutabledict(validators or {}),
        taken_at=taken_at,
        binds="tree",
    )


def upload_of(
    url: str,
    contents: Mapping[str, bytes],
    *,
    hashed: Mapping[str, bytes] | None = None,
    empty_folders: tuple[str, ...] = (),
    move: bool = False,
    files: tuple[LocalFile, ...] | None = None,
) -> UploadFiles:
    """A step that sends these files; `hashed` are their contents as they were when they were hashed."""
    as_hashed = {**contents, **(hashed or {})}
    rows = files or tuple(
        LocalFile(path=path, size_bytes=len(as_hashed[path]), mtime_ns=0, sha256=sha256(as_hashed[path]))
        for path in sorted(contents)
    )
    return UploadFiles(
        store_url=url,
        files=tuple(UploadFile(file=file, reason="new") for file in rows),
        kept=(),
        left=(),
        empty_folders=empty_folders,
        is_file=list(contents) == [""],
        move=move,
        binds="sent",
    )


def content_of(source: TreeSource, path: str) -> bytes:
    """The bytes of a file of a tree; it must be there."""
    opened = source.open(path)
    assert isinstance(opened, Success), opened
    with opened.unwrap() as reader:
        return reader.read()


def contents_of(source: TreeSource, files: tuple[ManifestFile | RemoteFile, ...]) -> dict[str, bytes]:
    """The bytes of files of a tree."""
    return {file.path: content_of(source, file.path) for file in files}
