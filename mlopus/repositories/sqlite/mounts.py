"""Whether a folder is on a disk of this machine: SQLite's WAL needs memory that processes share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

NETWORK_TYPES: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs"}
)
"""Also every `fuse.*`: what is behind those cannot be told."""

_MOUNTS = Path("/proc/self/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")


def is_network_mount(folder: Path) -> bool:
    """Whether a folder is on a network mount; where the system does not tell (not Linux), it is not."""
    try:
        with _MOUNTS.open(encoding="utf-8", errors="surrogateescape") as mounts:
            return type_of_mount(str(folder.resolve()), mounts) in NETWORK_TYPES
    except OSError:
        return False


def type_of_mount(path: str, mounts: Iterable[str]) -> str:
    r"""The type of the file system that a path is on: the deepest mount above it, the last if several.

    Example:
        >>> type_of_mount("/mnt/a b/x", ["/dev/sda / ext4 rw 0 0", r"srv:/x /mnt/a\040b nfs4 rw 0 0"])
        'nfs4'
    """
    found, depth = "", -1
    for line in mounts:
        _, mounted, kind, *_ = line.split(" ")
        folder = _OCTAL.sub(lambda code: chr(int(code[1], 8)), mounted).rstrip("/")
        if (path == folder or path.startswith(f"{folder}/")) and len(folder) >= depth:
            found, depth = kind, len(folder)
    return "nfs" if found.startswith("fuse.") else found
