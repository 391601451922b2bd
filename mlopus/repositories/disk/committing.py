"""Making a staged tree part of the cache: the tree first, whole, then the entry that serves it."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time

import attrs

from mlopus.domain.manifest import Entry, Manifest, ManifestFile
from mlopus.errors import IllegalPath, MlopusError
from mlopus.plans.outcomes import Committed
from mlopus.plans.pending import known
from mlopus.plans.steps import CommitTree
from mlopus.repositories.disk.adopting import MovedFile, changed_since, stale_source
from mlopus.repositories.disk.entries import entry_to_json
from mlopus.repositories.disk.files import (
    below,
    disk_failed,
    folders_above,
    folders_holding,
    make_folders_durably,
    remove_any,
    remove_emptied,
    remove_hollow,
    sha256_of,
    sync_all,
    sync_file,
    sync_folder,
    write_durably,
    write_new,
)
from mlopus.repositories.disk.layout import Layout, content_name, is_content_name
from mlopus.repositories.disk.manifests import (
    RecentTrees,
    StoredTree,
    manifest_to_json,
    read_tree,
)
from mlopus.repositories.disk.marks import RecentMarks, mark
from mlopus.repositories.disk.owner import Owner
from mlopus.repositories.disk.sharing import FileIndex, share_files
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")
_IS_THERE = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_PAUSE_S = 0.01
_PATIENCE = 1000


@attrs.frozen(kw_only=True)
class Commit:
    """One commit of one staged tree."""

    step: CommitTree
    layout: Layout
    origin_key: str
    folder: str
    tree: str
    content: str
    files: tuple[ManifestFile, ...]
    moved: tuple[MovedFile, ...]
    recent: RecentTrees
    marks: RecentMarks
    share: bool

    def run(self) -> Result[Committed, MlopusError]:
        """Commit, in the order that leaves the old state or the new one wherever it is cut."""
        fault = self._fault()
        if fault is not None:
            return Failure(fault)
        try:
            tree = self._finished()
            key = tree.manifest.key
            is_there = mark(self.layout.tree(key))  # from here on no eviction that was planned takes it
            self.recent.put(key, self._mended(key, tree) if is_there else self._revealed(key, tree))
            self._protect_moved(key, tree)
            self._write_entry(key)
            if is_there:
                self._see_it_settled(key)
            self._take_sources(key, tree)
            self.marks.add(key)
        except OSError as error:
            return Failure(disk_failed(error, "committing a tree", self.layout.folder))
        if self.share:
            FileIndex(self.layout).add(key, tree.manifest)
        return Success(Committed(tree_key=key, manifest=tree.manifest))

    def _fault(self) -> MlopusError | None:
        if not is_content_name(self.step.name):
            return IllegalPath(path=self.step.name, reason="cannot be the name of a tree")
        is_one_file = len(self.files) == 1 and self.files[0].path == ""
        if self.step.is_file != is_one_file:
            wanted = "a file" if self.step.is_file else "a folder"
            return IllegalPath(path=self.step.path, reason=f"was to be {wanted}, and was staged otherwise")
        for moved in self.moved:
            if moved.is_same_inode:
                found = changed_since(below(self.content, moved.file.path), moved.file)
                if found is not None:
                    return stale_source(moved.location, found)
        return None

    def _finished(self) -> StoredTree:
        """The tree with everything that belongs to it, safe on the disk."""
        for folder in (*self.step.empty_folders, *([] if self.step.is_file else [""])):
            os.makedirs(below(self.content, folder), exist_ok=True)
        rows = Manifest.of(
            self.step.name, self.files, is_file=self.step.is_file, empty_folders=self.step.empty_folders
        )
        key, content = rows.key, self._named_content()
        is_new = not os.path.exists(self.layout.tree(key))
        if self.share and is_new:
            share_files(self.layout, content, self.files, os.path.join(self.folder, "link"))
        files = [below(content, file.path) for file in rows.files]
        tree = StoredTree(rows, tuple(os.lstat(file).st_mtime_ns for file in files))
        write_new(os.path.join(self.tree, f"{key}.json"), manifest_to_json(tree), 0o444)
        return tree

    def _named_content(self) -> str:
        """The staged file or folder, once it has the name of the tree."""
        named = os.path.join(self.tree, content_name(self.step.name))
        if named != self.content:
            os.rename(self.content, named)
        return named

    def _revealed(self, key: str, tree: StoredTree) -> StoredTree:
        """Make the tree visible, once the disk has all of it; answers the tree that is there then."""
        content = os.path.join(self.tree, content_name(self.step.name))
        files = [below(content, file.path) for file in tree.manifest.files]
        folders = {above for file in self.files for above in folders_above(file.path)}
        folders.update(self.step.empty_folders, [] if self.step.is_file else [""])
        manifest = os.path.join(self.tree, f"{key}.json")
        sync_all([manifest, *files], [self.tree, *(below(content, folder) for folder in folders)])
        make_folders_durably(self.layout.trees)
        try:
            os.rename(self.tree, self.layout.tree(key))
        except OSError as error:
            if error.errno not in _IS_THERE:
                raise
            return self._mended(key, tree)
        sync_folder(self.layout.trees)
        return tree

    def _mended(self, key: str, tree: StoredTree) -> StoredTree:
        """Use the equal tree that is there already, with our files in the place of damaged ones."""
        found = read_tree(self.layout, key, RecentTrees())
        if isinstance(found, Failure):
            os.replace(os.path.join(self.tree, f"{key}.json"), self.layout.manifest(key))
        stored = tree if isinstance(found, Failure) else found.unwrap()
        root = self.layout.content(key, self.step.name)
        mtimes = dict(zip((file.path for file in stored.manifest.files), stored.mtimes_ns, strict=True))
        for file in stored.manifest.files:
            path, there = file.path, below(root, file.path)
            fresh = below(os.path.join(self.tree, content_name(self.step.name)), path)
            if _is_sound(there, fresh, file):
                continue
            _LOGGER.warning("%s was damaged, and is replaced by what was fetched", there)
            os.utime(fresh, ns=(mtimes[path], mtimes[path]))
            sync_file(fresh)
            os.makedirs(os.path.dirname(there), exist_ok=True)
            if os.path.isdir(there) and not os.path.islink(there):
                remove_any(there)
            os.replace(fresh, there)
        for folder in self.step.empty_folders:
            os.makedirs(below(root, folder), exist_ok=True)
        return stored

    def _see_it_settled(self, key: str) -> None:
        """Wait for a tree that an eviction has just taken away, and puts back as it finds our mark."""
        for _ in range(_PATIENCE):
            if os.path.isdir(self.layout.tree(key)):
                return
            time.sleep(_PAUSE_S)
        raise FileNotFoundError(errno.ENOENT, "it was evicted meanwhile: call again", self.layout.tree(key))

    def _protect_moved(self, key: str, tree: StoredTree) -> None:
        if not self.share:
            return
        root = self.layout.content(key, tree.manifest.name)
        for moved in self.moved:
            path = below(root, moved.file.path)
            os.chmod(path, os.lstat(path).st_mode & 0o444)

    def _write_entry(self, key: str) -> None:
        step = self.step
        entry = Entry(
            subject=step.subject,
            path=step.path,
            tree_key=key,
            name=step.name,
            is_file=step.is_file,
            taken_at=step.taken_at,
            store_url=step.store_url,
            validators=known(step.validators),
        )
        written = os.path.join(self.folder, "entry.json")
        write_durably(written, entry_to_json(entry))
        folder = self.layout.subject(self.origin_key, step.subject)
        make_folders_durably(folder)
        os.replace(written, self.layout.entry(self.origin_key, step.subject, step.path))
        sync_folder(folder)

    def _take_sources(self, key: str, tree: StoredTree) -> None:
        """Remove the moved files from their place, or leave links to the committed ones there."""
        root = self.layout.content(key, tree.manifest.name)
        emptied: set[str] = set()
        for moved in self.moved:
            committed = below(root, moved.file.path)
            is_committed = moved.is_same_inode or changed_since(moved.location, moved.file) is None
            if not is_committed:
                _LOGGER.warning("%s has changed since it was cached, and is left alone", moved.location)
            elif moved.leave_link:
                link = os.path.join(os.path.dirname(moved.location), f".mlopus-{Owner.current().new_name()}")
                os.symlink(committed, link)
                os.replace(link, moved.location)
            else:
                os.unlink(moved.location)
                emptied.update(folders_holding(moved.location, moved.file.path))
        remove_emptied(list(emptied))
        for source in {moved.source for moved in self.moved if moved.file.path and not moved.leave_link}:
            remove_hollow(source)


def _is_sound(there: str, fresh: str, file: ManifestFile) -> bool:
    """Whether a committed file is what it was: the fresh one itself, or of the same content, as hashed."""
    try:
        seen = os.lstat(there)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != file.size_bytes:
            return False
        return os.path.samestat(seen, os.lstat(fresh)) or sha256_of(there) == file.sha256
    except OSError:
        return False
