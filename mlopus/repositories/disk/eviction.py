"""Evicting trees: the entries first, then the tree, in an order that no reader and no writer trips over.

A reader marks a tree as used and then looks whether its entry still stands. An eviction takes the
entries away and then looks at the mark. So one of them sees the other: either the reader takes it for
a miss, or the tree stays, and its entries are put back.

A writer that commits a tree equal to one that nothing serves marks that one, and waits should it just
have been taken away by an eviction that finds the mark and puts it back.
"""

from __future__ import annotations

import logging
import os

import attrs

from mlopus.plans.keeping import EntryAt
from mlopus.plans.keeping_steps import EvictedTree
from mlopus.repositories.disk.entries import read_entry
from mlopus.repositories.disk.files import remove_any, sync_folder
from mlopus.repositories.disk.layout import Layout
from mlopus.repositories.disk.marks import marked_at
from mlopus.result import Success

_LOGGER = logging.getLogger("mlopus")


@attrs.frozen(kw_only=True)
class Eviction:
    """One tree that is to go, and the folder of this writer into which what goes is moved first."""

    layout: Layout
    tree: EvictedTree
    folder: str

    def run(self) -> bool:
        """Whether the tree's entries went, and the tree with them unless others need it.

        Raises:
            OSError: The disk refuses; what was moved away by then is put back, or left to be swept.
        """
        if self._was_used(self._there):
            return False
        taken = self._entries_taken()
        if self._was_used(self._there):
            self._put_back(taken)
            return False
        if self.tree.stays or not os.path.lexists(self._there):
            return True
        aside = os.path.join(self.folder, self.tree.tree_key)
        os.rename(self._there, aside)
        if self._was_used(aside) and self._returned(aside):
            self._put_back(taken)
            return False
        sync_folder(self.layout.trees)
        remove_any(aside)
        return True

    @property
    def _there(self) -> str:
        return self.layout.tree(self.tree.tree_key)

    def _was_used(self, folder: str) -> bool:
        """Whether the tree was used since the plan was made; one that is gone was not."""
        return marked_at(folder) not in (self.tree.used_at, None)

    def _entries_taken(self) -> list[tuple[str, str]]:
        """Take away the entries that name the tree; answers where each was, and where it is now."""
        taken: list[tuple[str, str]] = []
        for number, entry in enumerate(self.tree.entries):
            file = self._file_of(entry)
            aside = os.path.join(self.folder, f"{self.tree.tree_key}-{number}.json")
            try:
                os.rename(file, aside)
            except FileNotFoundError:
                continue
            read = read_entry(aside, with_validators=False)
            held = read.unwrap() if isinstance(read, Success) else None
            if held is None or held.tree_key != self.tree.tree_key:
                self._put_back([(file, aside)])  # it was refreshed since, and names another tree
            else:
                taken.append((file, aside))
        for folder in {os.path.dirname(file) for file, _ in taken}:
            sync_folder(folder)
        return taken

    def _put_back(self, taken: list[tuple[str, str]]) -> None:
        """Give entries their place again, unless newer ones have it by now."""
        for file, aside in taken:
            try:
                os.link(aside, file)
            except FileExistsError:
                continue
            except OSError as error:  # a disk without hard links: a rename may replace a newer entry by ours
                _LOGGER.info("%s is put back by renaming: %s", file, error)
                os.rename(aside, file)

    def _returned(self, aside: str) -> bool:
        """Give the tree its place again; False if an equal one has it by now."""
        try:
            os.rename(aside, self._there)
        except OSError as error:
            if not os.path.isdir(self._there):
                raise
            _LOGGER.info("%s has been committed anew: %s", self._there, error)
            remove_any(aside)
        return True

    def _file_of(self, entry: EntryAt) -> str:
        return self.layout.entry(entry.origin_key, entry.subject, entry.path)
