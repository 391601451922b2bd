"""The user's own files on this disk: sources to read, targets to fill, a folder for callbacks.

What only publishing and placing use is loaded there: most programs only read, and start-up counts.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import attrs

from mlopus.domain.manifest import LocalFile
from mlopus.domain.paths import path_below
from mlopus.errors import IllegalPath, MlopusError, StalePlan
from mlopus.plans.facts import SourceFacts, TargetFacts, TargetFile
from mlopus.plans.keeping import Placement, PlacementState, TemporaryFolder
from mlopus.plans.outcomes import Removed, Transferred
from mlopus.plans.steps import PlaceTree, RemoveFiles
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.files import (
    below,
    disk_failed,
    folders_above,
    remove_any,
    remove_emptied,
    sha256_of,
)
from mlopus.repositories.disk.folder_source import FolderSource
from mlopus.repositories.disk.layout import is_tree_key, path_in_tree
from mlopus.repositories.disk.owner import Owner, is_abandoned
from mlopus.repositories.stores.urls import local_path_of
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.repositories.disk.walk import Seen

_LARGE_BYTES = 1024 * 1024
_HASHING_THREADS = 4
_IN_TEMPORARY = "artifact"


@attrs.frozen
class LocalWorkspace:
    """Paths of the user's on this disk.

    Example:
        >>> LocalWorkspace("/var/cache/mlopus/temp").resolve("/data/../data/model")
        '/data/model'
    """

    temp_folder: str

    def resolve(self, path: str) -> str:
        """The absolute form of a path: `~` expanded, links of its parents followed."""
        whole = os.path.join(os.getcwd(), os.path.expanduser(path))
        parent, name = os.path.split(whole.rstrip(os.sep))
        if name in ("", ".", ".."):
            return os.path.realpath(whole)
        return os.path.join(os.path.realpath(parent), name)

    def source_facts(self, path: str) -> Result[SourceFacts, MlopusError]:
        """What a file or folder holds, hashed. Links count as their content."""
        from mlopus.repositories.disk.walk import walk_source

        root = self.resolve(path)
        try:
            walked = walk_source(root)
        except OSError as error:
            return Failure(disk_failed(error, "reading the source", root))
        if isinstance(walked, Failure):
            return walked
        walk = walked.unwrap()
        hashed = _hashed(root, walk.files)
        if isinstance(hashed, Failure):
            return hashed
        return Success(
            SourceFacts(
                path=root,
                is_file=walk.is_file,
                files=hashed.unwrap(),
                empty_folders=walk.empty_folders,
                links_inside=walk.links_inside,
                links_leaving=walk.links_leaving,
            )
        )

    def source(self, path: str) -> TreeSource:
        """The files of a source, to be read."""
        return FolderSource(self.resolve(path))

    def target_facts(self, path: str, tree_key: str | None) -> Result[TargetFacts, MlopusError]:
        """What a target holds. With a tree key, links to that tree are recognised and copies hashed.

        The key of a tree that a store has on this disk is its URL.

        What a killed writer left at the target is put right first.
        """
        from mlopus.repositories.disk.placing import put_right, rows_of
        from mlopus.repositories.disk.walk import walk_target
        from mlopus.repositories.target_digest import expectation_of

        root = self.resolve(path)
        try:
            put_right(root)
            seen = walk_target(root)
            files = tuple(_target_file(root, one, tree_key) for one in seen if one.kind != "folder")
        except OSError as error:
            return Failure(disk_failed(error, "looking at the target", root))
        folders = {one.path for one in seen if one.kind == "folder"} - {""}
        filled = {above for one in seen for above in folders_above(one.path)}
        return Success(
            TargetFacts(
                path=root,
                expectation=expectation_of(rows_of(seen)),
                is_file=bool(seen) and seen[0].kind != "folder",
                files=files,
                empty_folders=tuple(sorted(folders - filled)),
            )
        )

    def place(
        self, step: PlaceTree, target: str, source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Make a target hold a tree: the whole or nothing appears. `source` has the paths of the step."""
        from mlopus.repositories.disk.placing import Placement

        return Placement(step=step, target=self.resolve(target), source=source, meter=meter).run()

    def remove(self, step: RemoveFiles, root: str) -> Result[Removed, MlopusError]:
        """Remove files and the folders that this empties; if one has changed, none is removed."""
        from mlopus.repositories.disk.adopting import changed_since

        fault = table_fault((file.path for file in step.files), step.empty_folders)
        if fault is not None:
            return Failure(fault)
        top = self.resolve(root)
        there: list[str] = []
        for file in step.files:
            path = below(top, file.path)
            found = "a link" if os.path.islink(path) else changed_since(path, file)
            if found == "nothing":
                continue
            if found is not None:
                return Failure(StalePlan(thing=path, expected="the file that was hashed", found=found))
            there.append(path)
        folders = {above for file in step.files for above in folders_above(file.path)}
        folders |= {above for path in step.empty_folders for above in (path, *folders_above(path))}
        try:
            for path in there:
                os.unlink(path)
            if not step.is_file:
                remove_emptied([below(top, folder) for folder in ("", *folders)])
        except OSError as error:
            return Failure(disk_failed(error, "removing files", top))
        return Success(Removed(file_count=len(there)))

    def temporary_path(self) -> Result[str, MlopusError]:
        """A path that does not exist yet, in a new folder of the temporary folder."""
        folder = os.path.join(self.resolve(self.temp_folder), Owner.current().new_name())
        try:
            os.makedirs(folder)
        except OSError as error:
            return Failure(disk_failed(error, "making a temporary folder", self.temp_folder))
        return Success(os.path.join(folder, _IN_TEMPORARY))

    def discard_temporary(self, path: str) -> Result[None, MlopusError]:
        """Remove what a callback wrote at a path from `temporary_path`, with its folder."""
        folder, name = os.path.split(self.resolve(path))
        if name != _IN_TEMPORARY or os.path.dirname(folder) != os.path.realpath(
            self.resolve(self.temp_folder)
        ):
            reason = f"is not a temporary path of {self.temp_folder}"
            return Failure(IllegalPath(path=path, reason=reason))
        try:
            remove_any(folder)
        except OSError as error:
            return Failure(disk_failed(error, "removing temporary files", folder))
        return Success(None)

    def temporaries(self) -> Result[tuple[TemporaryFolder, ...], MlopusError]:
        """What callbacks wrote and is still there, of this process and of those that have died."""
        found: list[TemporaryFolder] = []
        try:
            for name, path in self._left():
                sizes = _sizes_below(path)
                found.append(TemporaryFolder(name=name, file_count=len(sizes), size_bytes=sum(sizes)))
        except OSError as error:
            return Failure(disk_failed(error, "looking at temporary files", self.temp_folder))
        return Success(tuple(found))

    def remove_temporaries(self, names: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove temporary folders by name; answers how many files went."""
        count = 0
        try:
            for name, path in self._left():
                if name in names:
                    count += len(_sizes_below(path))
                    remove_any(path)
        except OSError as error:
            return Failure(disk_failed(error, "removing temporary files", self.temp_folder))
        return Success(count)

    def seen(self, placement: Placement, tree: TreeSource | None) -> PlacementState:
        """Whether a target still has links to what was placed there: symbolic or hard ones, at any file."""
        from mlopus.repositories.disk.placed import state_of_placement

        return state_of_placement(placement, None if tree is None else tree.local_path(placement.path))

    def _left(self) -> list[tuple[str, str]]:
        """Temporary folders by name, but those of other living processes."""
        top = self.resolve(self.temp_folder)
        found: list[tuple[str, str]] = []
        for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
            owner, path = Owner.of_name(name), os.path.join(top, name)
            if owner is not None and (owner == Owner.current() or is_abandoned(owner, path)):
                found.append((name, path))
        return found


def _sizes_below(path: str) -> list[int]:
    """The sizes of the files below a folder."""
    return [
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names
    ]


def _hashed(root: str, paths: tuple[str, ...]) -> Result[tuple[LocalFile, ...], MlopusError]:
    """Files with their digests: large ones on threads, where hashing leaves the interpreter free."""
    from mlopus.concurrency.crews import for_each

    def hashed(path: str) -> Result[LocalFile, MlopusError]:
        return _hash(root, path)

    try:
        large = [path for path in paths if os.stat(below(root, path)).st_size >= _LARGE_BYTES]
    except OSError as error:
        return Failure(disk_failed(error, "reading the source", root))
    on_threads = frozenset(large)
    small = [path for path in paths if path not in on_threads]
    found: list[LocalFile] = []
    for group, threads in ((small, 1), (large, min(_HASHING_THREADS, len(large)))):
        done = for_each(hashed, group, threads)
        if isinstance(done, Failure):
            return done
        found.extend(done.unwrap())
    return Success(tuple(sorted(found, key=lambda file: file.path)))


def _hash(root: str, path: str) -> Result[LocalFile, MlopusError]:
    location = below(root, path)
    try:
        before = os.stat(location)
        sha256 = sha256_of(location)
        after = os.stat(location)
    except OSError as error:
        return Failure(disk_failed(error, "reading the source", location))
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        expected, found = "a file that nobody writes", "one that changed while it was read"
        return Failure(StalePlan(thing=location, expected=expected, found=found))
    return Success(LocalFile(path=path, size_bytes=after.st_size, mtime_ns=after.st_mtime_ns, sha256=sha256))


def _shown_path(link: str, tree_key: str) -> str | None:
    """Which path of a tree a link shows: of a committed one, or of one that a store has on this disk."""
    if is_tree_key(tree_key):
        return path_in_tree(link, tree_key)
    root = local_path_of(tree_key)
    return None if isinstance(root, Failure) else path_below(link, os.path.abspath(root.unwrap()))


def _target_file(root: str, seen: Seen, tree_key: str | None) -> TargetFile:
    """A file or link at a target; its content is looked at only if there is a tree to compare it with."""
    location = below(root, seen.path)
    if tree_key is None or seen.kind not in ("file", "link"):
        return TargetFile(path=seen.path, size_bytes=seen.size_bytes)
    if seen.link is None:
        return TargetFile(path=seen.path, size_bytes=seen.size_bytes, sha256=sha256_of(location))
    inside = _shown_path(seen.link, tree_key)
    try:
        shown = os.stat(location)
    except OSError:
        return TargetFile(path=seen.path, size_bytes=seen.size_bytes)
    if inside is None or not stat.S_ISREG(shown.st_mode):
        return TargetFile(path=seen.path, size_bytes=seen.size_bytes)
    return TargetFile(path=seen.path, size_bytes=shown.st_size, links_to=(tree_key, inside))
