"""Filesystems of fsspec: opened once a process, without the instance and listing caches of fsspec."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

import attrs

from mlopus.domain.paths import scheme_of
from mlopus.plans.facts import Told
from mlopus.repositories.stores.urls import local_path_of

_NO_NETWORK = frozenset({"memory", "local", "file"})
_HTTP = frozenset({"http", "https"})
_READ_ONLY = frozenset({"http", "https", "zip", "tar", "libarchive", "data", "git", "github", "gist", "jlab"})
_ONE_CALLER = frozenset({"sftp", "ssh", "ftp", "smb"})
_EXTRAS = {"sftp": "sftp", "ssh": "sftp", "http": "http", "https": "http"}


@attrs.frozen
class Place:
    """A URL, opened: the filesystem, and the path there that the URL names."""

    system: Any
    root: str
    scheme: str

    def path(self, relative: str) -> str:
        """The filesystem's path of a checked relative one."""
        if not relative:
            return self.root
        return f"{self.root}/{quote(relative) if self.scheme in _HTTP else relative}"

    def relative(self, name: str) -> str:
        """A listed name, relative to the URL; unchanged if it is not below it, so that it is refused."""
        if name.rstrip("/") == self.root:
            return ""
        below = name.removeprefix(f"{self.root}/")
        return unquote(below) if self.scheme in _HTTP else below

    @property
    def takes_folders_for_files(self) -> bool:
        """Whether a folder that is listed comes as a file itself, too."""
        return self.scheme in _HTTP


class OpenSystems:
    """The filesystems that one process has open, by scheme and host; of chained URLs, by URL."""

    def __init__(self) -> None:
        self._systems: dict[tuple[str, str, int], tuple[Any, str]] = {}
        self._lock = threading.Lock()

    def place(self, url: str, options: Mapping[str, Any], *, alone: bool = False) -> Place:
        """The place of a URL. Where a connection serves one caller at a time, each thread has its own.

        Args:
            url: Where.
            options: What the filesystem takes.
            alone: Open a filesystem that nobody else is given, for what outlives the call.

        Raises:
            ValueError: No filesystem has that scheme.
            ImportError: The package of the filesystem is not installed.
        """
        scheme = scheme_of(url)
        is_chained = "::" in url
        key = (
            scheme,
            f"{url} {_stamp(url)}" if is_chained else urlsplit(url).netloc,
            threading.get_ident() if scheme in _ONE_CALLER else 0,
        )
        if alone and scheme in _ONE_CALLER:
            system, root = _opened(url, options)
        else:
            system, root = self._held(key, url, options)
        if not is_chained:
            root = system._strip_protocol(url)  # noqa: SLF001 (fsspec has no public name for it)
        return Place(system, str(root).rstrip("/"), scheme)

    def _held(self, key: tuple[str, str, int], url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
        with self._lock:
            held = self._systems.get(key)
        if held is not None:
            return held
        opened = _opened(url, options)  # without the lock: it may take as long as a connection does
        with self._lock:
            return self._systems.setdefault(key, opened)


def workers_for(scheme: str) -> int:
    """How many files at once, where nothing else is said."""
    return 4 if scheme in _ONE_CALLER else 8  # some servers let few connections in at a time


def _stamp(url: str) -> str:
    """What changes when the local file that a chained URL ends with is replaced: an archive is read once."""
    location = local_path_of(url.rpartition("::")[2])
    try:
        found = os.stat(location.value_or(""))
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _opened(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    import fsspec.core  # noqa: PLC0415 (most calls of mlopus need no fsspec)

    core: Any = fsspec.core
    switches = {} if "::" in url else {"skip_instance_cache": True}
    system, root = core.url_to_fs(url, **switches, **_plain(options))
    system.dircache.use_listings_cache = False  # as an option, some filesystems would send it to their server
    return system, root


def _plain(value: Any) -> Any:
    """Options as fsspec changes them in place: our own copy, as plain dicts."""
    if not isinstance(value, Mapping):
        return value
    options = cast("Mapping[str, Any]", value)
    return {key: _plain(inner) for key, inner in options.items()}


def crosses_network(scheme: str) -> bool:
    """Whether calls to that filesystem leave this process."""
    return scheme not in _NO_NETWORK


def told_by(scheme: str) -> tuple[Told, ...]:
    """What listings say of a file."""
    return ("size",) if tells_sizes(scheme) else ()


def can_be_written(scheme: str) -> bool:
    """Whether files can be put there: archives and web pages are only read."""
    return scheme not in _READ_ONLY


def may_hold_both(scheme: str) -> bool:
    """Whether a file may be where a folder is: not on servers of files, nor where nothing is written."""
    return scheme not in _ONE_CALLER and scheme not in _READ_ONLY


def gives_parts(scheme: str) -> bool:
    """Whether a file can be read from its middle on, if it still is the same."""
    return scheme in _HTTP


def tells_sizes(scheme: str) -> bool:
    """Whether listings have sizes."""
    return scheme not in _HTTP


def check_scheme(scheme: str) -> str | None:
    """What is missing for a scheme: None if nothing, "" if nobody knows it, else what to install."""
    from fsspec.registry import get_filesystem_class  # noqa: PLC0415 (as above)  # pyright: ignore[reportUnknownVariableType] (fsspec has no types)

    find: Any = get_filesystem_class  # pyright: ignore[reportUnknownVariableType] (fsspec has no types)
    try:
        find(scheme)
        if scheme in _HTTP:
            importlib.import_module("aiohttp")  # which is looked for by fsspec only once it asks
            importlib.import_module("requests")
    except ValueError:
        return ""
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        return f"pip install 'mlopus[{extra}]'" if extra else str(error)
    return None
