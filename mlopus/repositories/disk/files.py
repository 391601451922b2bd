"""Acts on single files and folders that the standard library does not offer whole."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence

from mlopus.errors import NotFound, StoreFailed

CHUNK_BYTES = 1024 * 1024
_FEW = 8
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES})
_HINTS = {
    errno.ENOSPC: "Free some disk space, then call again.",
    errno.EDQUOT: "Free some of your quota, then call again.",
    errno.EROFS: "The disk is mounted read-only: choose another folder.",
    errno.EACCES: "Check who may read and write there.",
    errno.EPERM: "Check who may read and write there.",
    errno.ENAMETOOLONG: "The disk takes no name of that length.",
}


def errno_of(error: OSError) -> int | None:
    """The number of an error; reflink-copy gives it in the text only."""
    if error.errno is not None:
        return error.errno
    match = _OS_ERROR.search(str(error))
    return int(match.group(1)) if match else None


def disk_failed(error: OSError, action: str, place: str) -> StoreFailed:
    """What a disk said, as an error of ours."""
    number = errno_of(error)
    hint = None if number is None else _HINTS.get(number)
    return StoreFailed(place=place, action=action, reason=error.strerror or str(error), hint=hint)


def missing(path: str, place: str) -> NotFound:
    """A file that should be there."""
    return NotFound(kind="file", key=path, place=place)


def missing_source(path: str) -> NotFound:
    """Nothing is where files were to be taken from."""
    hint = "Check the path; a relative one is taken from the current folder."
    return NotFound(kind="source", key=path, place="the local disk", hint=hint)


def below(root: str, path: str) -> str:
    """The absolute path of a checked relative one."""
    return os.path.join(root, path) if path else root


def sync_folder(path: str) -> None:
    """Make what was created in or renamed into a folder survive a power cut, where the disk can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def sync_file(path: str) -> None:
    """Wait until the disk has a file's bytes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(files: Sequence[str], folders: Sequence[str]) -> None:
    """Wait until the disk has these files and folders, all on one disk.

    Of more than a few the whole disk is asked, where the system can: many times faster than one by one.
    """
    if len(files) + len(folders) > _FEW and _sync_disk((*folders, *files)[0]):
        return
    for file in files:
        sync_file(file)
    for folder in folders:
        sync_folder(folder)


def _sync_disk(path: str) -> bool:
    """Write everything out that the disk of a path has not got yet; False where no system call does that."""
    import ctypes  # noqa: PLC0415 (only writers of many files need it)

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        if library.syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)
    return True


def make_folders_durably(path: str) -> None:
    """Make a folder and those above it, each made to survive a power cut."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folders_durably(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    sync_folder(parent)


def write_new(path: str, content: bytes, mode: int = 0o666) -> None:
    """Write a file that is not there yet."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def write_durably(path: str, content: bytes) -> None:
    """Write a file that is not there yet, and wait until the disk has it."""
    write_new(path, content)
    sync_file(path)


def sha256_of(path: str) -> str:
    """The digest of a file's content."""
    import hashlib  # noqa: PLC0415 (not needed to read a cache)

    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_any(path: str) -> None:
    """Remove a file, a link or a whole folder, also one whose folders are read-only. Gone is fine."""
    import shutil  # noqa: PLC0415 (loads compression libraries)

    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        try:
            shutil.rmtree(path)
        except PermissionError:
            _make_folders_writable(path)
            shutil.rmtree(path)
    except FileNotFoundError:
        return


def _make_folders_writable(path: str) -> None:
    os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)


def remove_emptied(folders: list[str]) -> None:
    """Remove those of the folders that are empty; give them in any order."""
    for folder in sorted(folders, key=len, reverse=True):
        try:
            os.rmdir(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY):
                raise


def folders_above(path: str) -> Iterator[str]:
    """The folders that lead to a relative path, the innermost first, without the root."""
    while path := path.rpartition("/")[0]:
        yield path


def folders_holding(location: str, path: str) -> list[str]:
    """The folders between a file and the root of its tree, the root too; none for a tree that is a file."""
    if not path:
        return []
    folders = [os.path.dirname(location)]
    for _ in folders_above(path):
        folders.append(os.path.dirname(folders[-1]))
    return folders


def remove_hollow(root: str) -> None:
    """Remove a folder with all those inside it, if there is no file in any of them."""
    folders: list[str] = []
    for folder, _, names in os.walk(root):
        if names:
            return
        folders.append(folder)
    remove_emptied(folders)
