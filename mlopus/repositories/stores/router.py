"""One artifact store made of many: each URL goes to the store of its scheme."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import scheme_of
from mlopus.errors import MlopusError
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFiles
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSink, TreeSource
from mlopus.result import Result


@attrs.frozen(kw_only=True)
class StoreRouter:
    """Chooses among stores by the scheme of a URL, after replacing schemes that are mapped.

    Args:
        by_scheme: The stores of certain schemes.
        default: The store of all others.
        scheme_map: Patterns (regular expressions for a whole scheme) to the schemes used instead; the
            first that matches counts. URLs of this disk are never mapped.
    """

    by_scheme: Mapping[str, ArtifactStore] = attrs.field(factory=immutabledict)
    default: ArtifactStore
    scheme_map: Mapping[str, str] = attrs.field(factory=immutabledict)

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What the store of a URL is like."""
        store, url = self._chosen(url)
        return store.facts(url)

    def metered(self, meter: Meter) -> StoreRouter:
        """The same choice among the same stores, each telling this meter."""
        by_scheme = {scheme: store.metered(meter) for scheme, store in self.by_scheme.items()}
        return attrs.evolve(self, by_scheme=immutabledict(by_scheme), default=self.default.metered(meter))

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL."""
        store, url = self._chosen(url)
        return store.list_tree(url)

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """A file in the place of a folder."""
        store, url = self._chosen(url)
        return store.file_above(url, path)

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder."""
        store, url = self._chosen(url)
        return store.list_folder(url)

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files into a sink."""
        store, url = self._chosen(url)
        return store.fetch(url, files, sink)

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Send the files of a step."""
        store, url = self._chosen(step.store_url)
        return store.upload(attrs.evolve(step, store_url=url), source)

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove files."""
        store, url = self._chosen(url)
        return store.remove(url, paths)

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file, as a stream."""
        store, url = self._chosen(url)
        return store.open(url)

    def local_source(self, url: str) -> TreeSource | None:
        """The files of a URL on this disk."""
        store, url = self._chosen(url)
        return store.local_source(url)

    def _chosen(self, url: str) -> tuple[ArtifactStore, str]:
        scheme = scheme_of(url)
        mapped = self._mapped(scheme)
        if mapped is not None:
            scheme, url = mapped, f"{mapped}{url[len(scheme) :]}"
        return self.by_scheme.get(scheme, self.default), url

    def _mapped(self, scheme: str) -> str | None:
        if scheme == "file":
            return None
        return next((new for old, new in self.scheme_map.items() if re.fullmatch(old, scheme)), None)
