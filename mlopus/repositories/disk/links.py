"""The ladder of ways to give a file's content another name: links first, where the disk can."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from mlopus.plans.links import LinkKind
from mlopus.repositories.disk.files import CHUNK_BYTES, errno_of

DISK_CANNOT = frozenset(
    {
        errno.EPERM,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.EXDEV,
        errno.ENOTTY,
        errno.ENOSYS,
        errno.EINVAL,
    }
)
"""The disk does not do this at all, so the next file need not try."""
_FILE_CANNOT = frozenset({errno.EMLINK, errno.ETXTBSY, errno.EAGAIN})
"""This file cannot, others may: it has as many links as the disk allows, say."""

READ_ONLY = 0o444
READ_WRITE = 0o666


class Ladder:
    """Tries ways in order, for many files, and remembers which ones a disk does not offer.

    Links made by one ladder stay within one pair of disks. Copies and clones get `mode` less the
    umask; the modes of linked files are those of what they link to.
    """

    def __init__(self, kinds: tuple[LinkKind, ...], mode: int = READ_ONLY) -> None:
        self._kinds: tuple[LinkKind, ...] = kinds
        self._mode = mode

    def put(self, source: str, target: str) -> tuple[LinkKind, int | None]:
        """Make `target`, which is not there yet, have the content of `source`.

        Answers how, and of a copy how many bytes it has.

        The source must be there: a symbolic link to nothing would be made without a word.

        Raises:
            OSError: Of the last way tried, if none works; of any that fails for another reason than
                that the disk or the file does not allow it.
        """
        refusal = OSError(errno.ENOTSUP, "the disk offers none of the ways asked for", target)
        for kind in self._kinds:
            try:
                copied = _WAYS[kind](source, target, self._mode)
            except OSError as error:
                number = errno_of(error)
                if number in DISK_CANNOT:
                    self._give_up(kind)
                elif number not in _FILE_CANNOT:
                    raise
                refusal = error
            else:
                return kind, copied
        raise refusal

    def _give_up(self, kind: LinkKind) -> None:
        self._kinds = tuple(other for other in self._kinds if other != kind)


def copy_file(source: str, target: str, mode: int = READ_WRITE) -> int:
    """Copy a file's bytes to a new file, in the kernel where it offers that; answers their number."""
    reader = os.open(source, os.O_RDONLY)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            return _copy_bytes(reader, writer)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def can_reflink(source: str, folder: str, name: str) -> bool:
    """Whether a file of one disk can share bytes with files in a folder, found out by trying."""
    probe = os.path.join(folder, name)
    try:
        _reflink(source, probe, READ_WRITE)
    except OSError:
        return False
    os.unlink(probe)
    return True


def _copy_bytes(reader: int, writer: int) -> int:
    """Copy one open file to another; in the kernel, or by hand where it does not do that."""
    size = os.fstat(reader).st_size
    done = 0
    try:
        while done < size and (count := os.copy_file_range(reader, writer, size - done)):
            done += count
    except (AttributeError, OSError) as error:
        if done or (isinstance(error, OSError) and error.errno not in DISK_CANNOT):
            raise
    while done < size and (chunk := os.read(reader, CHUNK_BYTES)):
        view = memoryview(chunk)
        while view:
            view = view[os.write(writer, view) :]
        done += len(chunk)
    return done


def _symlink(source: str, target: str, mode: int) -> None:  # noqa: ARG001 (one shape for all ways)
    os.symlink(source, target)


def _hardlink(source: str, target: str, mode: int) -> None:  # noqa: ARG001 (one shape for all ways)
    os.link(source, target)


def _reflink(source: str, target: str, mode: int) -> None:
    from reflink_copy import reflink  # noqa: PLC0415 (a compiled extension, loaded on use)

    reflink(source, target)
    given = os.stat(target).st_mode  # less the umask already; macOS gives the mode of the source
    os.chmod(target, (given | mode & 0o200) & mode)


_WAYS: dict[LinkKind, Callable[[str, str, int], int | None]] = {
    "symlink": _symlink,
    "hardlink": _hardlink,
    "reflink": _reflink,
    "copy": copy_file,
}
