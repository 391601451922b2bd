"""Operations on the artifacts that a server passes on: `mlflow-artifacts:`."""

from __future__ import annotations

from urllib.parse import unquote, urlparse, urlsplit, urlunparse

import attrs

from mlopus.domain.paths import join_path, relative_path
from mlopus.errors import IllegalPath, InvalidValue
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import PROXY, HttpRequest, Named, WrongShape, segments
from mlopus.wire.mlflow.shapes import elements, members, text, whole

SCHEME = "mlflow-artifacts"


@attrs.frozen(kw_only=True)
class ProxyRoot:
    """A URL of the scheme: the host if it names one (else the tracking server), and the path there."""

    host: str | None
    path: str


@attrs.frozen(kw_only=True)
class ListedEntry:
    """A file or folder as the server lists it: its own name, checked; size None for a folder."""

    name: str
    is_dir: bool
    size_bytes: int | None


def proxy_root(url: str) -> Result[ProxyRoot, IllegalPath | InvalidValue]:
    """What a URL of the scheme names.

    Fails with:
        InvalidValue: It is of another scheme, or has a host that is none.
        IllegalPath: Its path is no plain path.

    Example:
        >>> proxy_root("mlflow-artifacts:/1/abc/artifacts").unwrap()
        ProxyRoot(host=None, path='1/abc/artifacts')
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return Failure(InvalidValue(kind="artifact URL", key=url, reason="is no URL"))
    if parts.scheme != SCHEME or parts.query or parts.fragment or "@" in parts.netloc:
        return Failure(InvalidValue(kind="artifact URL", key=url, reason=f"is no plain {SCHEME}: URL"))
    if host is not None and host.isdigit():
        return Failure(InvalidValue(kind="artifact URL", key=url, reason="has a port and no host"))
    path = relative_path(parts.path.strip("/"))
    if isinstance(path, Failure):
        return path
    name = f"[{host}]" if host is not None and ":" in host else host
    netloc = None if name is None else name if port is None else f"{name}:{port}"
    return Success(ProxyRoot(host=netloc, path=path.unwrap()))


def list_request(path: str) -> HttpRequest:
    """Ask what is in a folder; a file and what is not there give an empty list."""
    return HttpRequest(
        name="mlflow-artifacts list",
        method="GET",
        path=PROXY,
        query=(("path", path),) if path else (),
        replay_safe=True,
        missing=Named("artifact", path),
    )


def list_from_reply(reply: object) -> Result[tuple[ListedEntry, ...], WrongShape | IllegalPath]:
    """The entries, by name. A name that is no plain single component is refused, so is one given twice."""
    entries: dict[str, ListedEntry] = {}
    for element in elements(members(reply).get("files")):
        entry = members(element)
        name, is_dir = text(entry.get("path")), entry.get("is_dir") is True
        checked = relative_path(name)
        if isinstance(checked, Failure):
            return checked
        if not name or "/" in name:
            return Failure(IllegalPath(path=name, reason="is not the name of one file or folder"))
        if name in entries:
            return Failure(IllegalPath(path=name, reason="is listed twice in one folder"))
        size = None if is_dir else whole(entry.get("file_size"))
        entries[name] = ListedEntry(name=name, is_dir=is_dir, size_bytes=size)
    return Success(tuple(entries[name] for name in sorted(entries)))


def download_request(path: str) -> HttpRequest:
    """Get a file's bytes."""
    return HttpRequest(
        name="mlflow-artifacts download",
        method="GET",
        path=f"{PROXY}/{segments(path)}",
        replay_safe=True,
        missing=Named("artifact", path),
    )


def upload_request(path: str) -> HttpRequest:
    """Put a file's bytes, over any that are there. The reply is empty."""
    return HttpRequest(
        name="mlflow-artifacts upload",
        method="PUT",
        path=f"{PROXY}/{segments(path)}",
        replay_safe=True,
        missing=Named("artifact", path),
    )


def delete_request(path: str) -> HttpRequest:
    """Delete a file, or a folder with all that is in it; nothing there is as good."""
    return HttpRequest(
        name="mlflow-artifacts delete",
        method="DELETE",
        path=f"{PROXY}/{segments(path)}",
        replay_safe=True,
        missing=Named("artifact", path),
    )


def uploadable(root: str, path: str) -> Result[str, IllegalPath]:
    """The path under a root, if the server keeps a file under exactly that name.

    It reads every path as a URL, again and again until it stays the same, and refuses `#` in it.

    Example:
        >>> uploadable("1/r/artifacts", "is it?").failure().reason
        "would have another name behind MLflow's artifact proxy"
    """
    checked = relative_path(path)
    if isinstance(checked, Failure):
        return checked
    if "#" in path:
        return Failure(IllegalPath(path=path, reason="has a '#', which MLflow's artifact proxy refuses"))
    whole = join_path(root, checked.unwrap())
    if urlunparse(urlparse(unquote(whole))) != whole:
        reason = "would have another name behind MLflow's artifact proxy"
        return Failure(IllegalPath(path=path, reason=reason))
    return Success(whole)
