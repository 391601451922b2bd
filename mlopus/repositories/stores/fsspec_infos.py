"""What filesystems of fsspec say of files, each in its own words, as values of ours."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile
from mlopus.domain.paths import base_name
from mlopus.repositories.stores.urls import shown

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created", "Last-Modified")
_VALIDATORS = ("ETag", "etag", "generation", "version_id", "VersionId", "content_md5", "md5Hash")


def validator_of(info: Mapping[str, Any]) -> str | None:
    """What changes with a file's content, if something of that is said; weak ETags say less."""
    told = next((str(info[key]) for key in _VALIDATORS if info.get(key)), None)
    return None if told is None or told.startswith("W/") else told.strip('"')


def told_with(reader: Any) -> Mapping[str, Any]:
    """What came with an opened file: the headers of a stream, or what its filesystem asked for."""
    reply = getattr(reader, "r", None)
    if reply is not None:
        return cast("Mapping[str, Any]", reply.headers)
    details = getattr(reader, "details", None)
    return cast("Mapping[str, Any]", details) if isinstance(details, Mapping) else {}


def shows_folder(reader: Any) -> bool:
    """Whether what was opened is a folder: a page that is sent of one, or what a server of files gave."""
    reply = getattr(reader, "r", None)
    if reply is not None:
        return str(reply.url.path).endswith("/")
    look = getattr(reader, "stat", None)
    return look is not None and stat.S_ISDIR(look().st_mode or 0)


def remote_file(path: str, info: Mapping[str, Any]) -> RemoteFile:
    """A file of a listing."""
    size = info.get("size")
    return RemoteFile(
        path=path,
        size_bytes=None if size is None else int(size),
        validator=validator_of(info),
        modified_time=_modified(info),
    )


def entry(path: str, info: Mapping[str, Any], url: str) -> ArtifactEntry:
    """What a folder shows of a file or folder in it."""
    is_dir = info.get("type") == "directory" or str(info["name"]).endswith("/")
    path = path.rstrip("/") if is_dir else path
    file = remote_file(path, info)
    return ArtifactEntry(
        path=path,
        name=base_name(path) or base_name(shown(url).partition("::")[0].rstrip("/")),
        is_dir=is_dir,
        size_bytes=None if is_dir else file.size_bytes,
        modified_time=None if is_dir else file.modified_time,
    )


def _modified(info: Mapping[str, Any]) -> datetime | None:
    told = next((info[key] for key in _TIMES if info.get(key)), None)
    if isinstance(told, datetime):
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    if isinstance(told, (int, float)):
        return datetime.fromtimestamp(told, UTC)
    return None
