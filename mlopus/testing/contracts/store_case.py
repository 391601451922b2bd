"""An artifact store to be tested, and the ways around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from mlopus.domain.manifest import RemoteFile
from mlopus.domain.paths import join_url
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.testing.contracts.trees import AWKWARD


@attrs.frozen(kw_only=True)
class StoreCase:
    """A store to be tested, and the ways around it.

    Attributes:
        store: The store.
        url: A URL of it under which nothing is.
        seed: Puts a file at a path below the URL, past the store and its checks.
        peek: The content at a path below the URL, past the store; None if there is no file.
        keeps_folders: Whether a folder can be empty there.
        hostile: Sets of names that a listing must be refused for, and that `seed` can make.
        names: Awkward names that it must take.
        resumes: Whether a transfer can go on where it stopped.
        has_folders: Whether it has real folders, so that it is not asked whether a file is in their place.
    """

    store: ArtifactStore
    url: str
    seed: Callable[[str, bytes], None]
    peek: Callable[[str], bytes | None]
    keeps_folders: bool = True
    hostile: tuple[tuple[str, ...], ...] = ()
    names: Mapping[str, bytes] = AWKWARD
    resumes: bool = False
    has_folders: bool = False

    def fill(self, contents: Mapping[str, bytes], folder: str = "model") -> str:
        """Seed a folder with files; answers its URL."""
        for path, content in contents.items():
            self.seed(f"{folder}/{path}" if path else folder, content)
        return join_url(self.url, folder)

    def listed(self, url: str) -> tuple[RemoteFile, ...]:
        """What the store lists."""
        return self.store.list_tree(url).unwrap().files

    def tells(self, what: str) -> bool:
        """Whether its listings say that of a file."""
        return what in self.store.facts(self.url).unwrap().tells
