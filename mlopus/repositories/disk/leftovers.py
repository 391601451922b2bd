"""What writers that stopped left of fetches: kept by URL, claimed by one rename, offered file by file.

A staging folder of a fetch holds `fetched`: a line that tells the URL (as a digest), then a line a file,
written before the file's first byte: of which content its bytes are. A writer whose process died leaves
the folder as it was; one that stops in good order renames it to `left-…`. The next writer of the same
URL renames it into its own folder, which only one can, and takes files from there one by one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, cast

import attrs

from mlopus.repositories.disk.files import below, remove_any
from mlopus.repositories.disk.layout import Layout
from mlopus.repositories.disk.owner import Owner, is_abandoned, last_change

KEPT_FOR_S = 24 * 3600.0
"""How long leftovers wait for a writer that goes on with them."""

_LOGGER = logging.getLogger("mlopus")
_LOG = "fetched"
_as_json = json.JSONEncoder(separators=(",", ":")).encode
_RELEASED = "left-"
_CLAIMED = "left."


@attrs.frozen
class Left:
    """A file of a writer that stopped: where it is, and of which content its bytes are."""

    location: str
    validator: str
    size_bytes: int


class FetchLog:
    """The file that says of which contents the bytes of a staging folder are. Thread-safe.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, folder: str, url: str) -> None:
        self._folder = folder
        path = os.path.join(folder, _LOG)
        self._handle: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._append({"url": _digest(url)})
        self.is_empty = True

    def note(self, path: str, validator: str) -> None:
        """Say of which content the bytes are that follow, in one write that a kill cannot tear."""
        self._append({"path": path, "validator": validator})
        self.is_empty = False

    def release(self, layout: Layout) -> None:
        """Leave the folder to whoever fetches the same next."""
        self.close()
        name = f"{_RELEASED}{Owner.current().machine}-{os.urandom(8).hex()}"
        os.rename(self._folder, os.path.join(layout.tmp, name))

    def close(self) -> None:
        """Write no more."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _append(self, line: dict[str, str]) -> None:
        if self._handle is None:
            raise OSError("the transfer was stopped")
        os.write(self._handle, _as_json(line).encode() + b"\n")


class Leftovers:
    """What was claimed for one writer: the best of what there is of each path."""

    def __init__(self, folders: list[str]) -> None:
        self._candidates: dict[str, list[Left]] = {}
        for folder in folders:
            content = _content_of(folder)
            for path, validator in dict(_lines_of(folder)).items():
                self._candidates.setdefault(path, []).append(Left(below(content, path), validator, 0))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was claimed."""
        return not self._candidates

    def of(self, path: str) -> Left | None:
        """What there is of a checked path: the longest, if it has bytes at all."""
        found = [attrs.evolve(left, size_bytes=size_left(left)) for left in self._candidates.get(path, ())]
        best = max(found, key=lambda left: left.size_bytes, default=None)
        return best if best is not None and best.size_bytes else None


def size_left(left: Left) -> int:
    """How many bytes there are that may be taken: none of what is no plain file of our own."""
    try:
        found = os.lstat(left.location)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() else 0


def claimed(layout: Layout, url: str, folder: str) -> Leftovers:
    """Take over into a staging folder what writers that stopped left of a URL."""
    mine: list[str] = []
    for name in os.listdir(layout.tmp):
        left = os.path.join(layout.tmp, name)
        if _is_left(name) and _url_of(left) == _digest(url):
            mine += _claimed_into(folder, left)
    return Leftovers(mine)


def remove_abandoned(layout: Layout, kept_for_s: float = KEPT_FOR_S) -> None:
    """Remove what dead writers left, except what a fetch could go on with and is not old yet."""
    for _, path in abandoned(layout, kept_for_s):
        try:
            remove_any(path)
        except OSError as error:
            _LOGGER.info("%s was not removed: %s", path, error)


def abandoned(layout: Layout, kept_for_s: float) -> Iterator[tuple[str, str]]:
    """The name and the path of all that dead writers left, with the same exception."""
    for name in sorted(os.listdir(layout.tmp)):
        path = os.path.join(layout.tmp, name)
        try:
            if _is_garbage(name, path, kept_for_s):
                yield name, path
        except FileNotFoundError:
            continue  # somebody has claimed or removed it
        except OSError as error:
            _LOGGER.info("%s cannot be looked at: %s", path, error)


def _is_garbage(name: str, path: str, kept_for_s: float) -> bool:
    if name.startswith(_RELEASED):
        return _is_older(path, kept_for_s)
    owner = Owner.of_name(name.lstrip("."))
    is_dead = owner is not None and is_abandoned(owner, path)
    return is_dead and (not _is_worth_keeping(name, path) or _is_older(path, kept_for_s))


def _is_left(name: str) -> bool:
    """Whether a folder's writer has stopped for certain, since this machine was started.

    What another machine left, or this one before a crash, may have holes where the disk lacks bytes.
    """
    machine = Owner.current().machine
    if name.startswith(_RELEASED):
        return name.removeprefix(_RELEASED).startswith(f"{machine}-")
    owner = Owner.of_name(name)
    return owner is not None and owner.machine == machine and owner.is_dead()


def _is_worth_keeping(name: str, path: str) -> bool:
    return _is_left(name) and any(True for folder in _all_of(path) for _ in _lines_of(folder))


def _is_older(path: str, seconds: float) -> bool:
    return time.time() - last_change(path) > seconds


def _claimed_into(folder: str, left: str) -> list[str]:
    """Rename what was left into a folder; answers what came, nothing if another writer was first."""
    target = os.path.join(folder, f"{_CLAIMED}{os.urandom(8).hex()}")
    try:
        os.rename(left, target)
    except FileNotFoundError:
        return []
    came = [target]
    for inner in list(_all_of(target))[1:]:  # what that writer had claimed in its turn
        flat = os.path.join(folder, os.path.basename(inner))
        os.rename(inner, flat)
        came.append(flat)
    return came


def _all_of(folder: str) -> Iterator[str]:
    """A folder of a writer, then those that it had claimed."""
    yield folder
    for name in os.listdir(folder):
        if name.startswith(_CLAIMED):
            yield from _all_of(os.path.join(folder, name))


def _content_of(folder: str) -> str:
    """Where the files are: a commit gives their folder its own name before it is done."""
    tree = os.path.join(folder, "tree")
    try:
        names = [name for name in os.listdir(tree) if not name.endswith(".json")]
    except OSError:
        names = []
    return os.path.join(tree, names[0] if len(names) == 1 else "content")


def _url_of(folder: str) -> str | None:
    first = next(_read(folder), None)
    return None if first is None else first.get("url")


def _lines_of(folder: str) -> Iterator[tuple[str, str]]:
    for line in _read(folder):
        path, validator = line.get("path"), line.get("validator")
        if isinstance(path, str) and isinstance(validator, str):
            yield path, validator


def _read(folder: str) -> Iterator[dict[str, Any]]:
    try:
        with open(os.path.join(folder, _LOG), "rb") as file:
            for text in file:
                line = json.loads(text)
                if isinstance(line, dict):
                    yield cast("dict[str, Any]", line)
    except (OSError, ValueError):
        return


def _digest(url: str) -> str:
    """A URL may hold what is secret, and is only compared."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
