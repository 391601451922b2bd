"""The artifact store port: where artifacts are kept, by URL."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.errors import MlopusError
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSink, TreeSource
from mlopus.result import Result


class ArtifactStore(Protocol):
    """Files under URLs. A URL names a folder or a file; paths below it are relative and checked.

    Names that a store lists and that are not plain relative paths are IllegalPath, before anything
    is written. Parallelism and batching lie inside. Thread-safe; picklable.
    """

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What the store of a URL is like, without a listing. No I/O. Refused for a scheme nobody serves."""
        ...

    def metered(self, meter: Meter) -> ArtifactStore:
        """The same store, sharing its connections, that tells this meter of requests and bytes."""
        ...

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL; a file lists as itself, with path "". Nothing there is empty."""
        ...

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """The path of a file in the place of a folder above a path, all below a URL; None if there is none.

        A server of files is not asked, and has none: where its folders are, it takes no file.
        """
        ...

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder, sorted by path; a file lists as itself. Nothing there is NotFound."""
        ...

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files below a URL into a sink. Answers the validators that came with the bytes.

        A file that is gone is NotFound; one of another size than listed is DigestMismatch; one with
        another validator than listed is StalePlan.
        """
        ...

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Send the files of a step. Answers what the store says of each, where it says something."""
        ...

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove files below a URL; those gone already are not counted."""
        ...

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file, to be read as a stream and closed by the caller."""
        ...

    def local_source(self, url: str) -> TreeSource | None:
        """The files of a URL on this disk, readable in place; None for a remote store."""
        ...
