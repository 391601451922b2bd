"""Operations by which a server lets its clients move large files straight to and from its own store."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import HttpRequest, Named, WrongShape, json_text, segments
from mlopus.wire.mlflow.shapes import elements, members, text, whole

_PREFIX = "/api/2.0/mlflow-artifacts"
UPLOADS = "multipart_uploads_enabled"
DOWNLOADS = "multipart_downloads_enabled"
"""What a server says of itself if it offers this."""


@attrs.frozen(kw_only=True)
class SignedUrl:
    """A URL that lets in whoever has it, and the headers that go with it."""

    url: str = attrs.field(repr=False)
    headers: immutabledict[str, str] = attrs.field(default=immutabledict(), repr=False)


@attrs.frozen(kw_only=True)
class PartedUpload:
    """An upload that was begun: where each part goes, the first first."""

    upload_id: str
    parts: tuple[SignedUrl, ...]


def begin_upload_request(path: str, part_count: int) -> HttpRequest:
    """Begin to upload a file in parts."""
    body = {"path": path.rpartition("/")[2], "num_parts": part_count}
    return _upload_step("create", path, json_text(body))


def begun_from_reply(reply: object) -> Result[PartedUpload, WrongShape]:
    """Where the parts go; they are numbered from 1 on."""
    answered = members(reply)
    listed = sorted(map(members, elements(answered.get("credentials"))), key=_number)
    parts = tuple(_signed(part) for part in listed)
    if [_number(part) for part in listed] != list(range(1, len(parts) + 1)) or not parts:
        return Failure(WrongShape("its parts are not numbered from 1 on"))
    return Success(PartedUpload(upload_id=text(answered.get("upload_id")), parts=parts))


def complete_upload_request(path: str, upload: PartedUpload, etags: tuple[str, ...]) -> HttpRequest:
    """Make the parts a file; each has what the store said of it."""
    parts = [
        {"part_number": number, "etag": etag, "url": part.url}
        for number, (part, etag) in enumerate(zip(upload.parts, etags, strict=True), 1)
    ]
    body = {"path": path.rpartition("/")[2], "upload_id": upload.upload_id, "parts": parts}
    return _upload_step("complete", path, json_text(body))


def abort_upload_request(path: str, upload: PartedUpload) -> HttpRequest:
    """Drop the parts that were sent."""
    body = {"path": path.rpartition("/")[2], "upload_id": upload.upload_id}
    return _upload_step("abort", path, json_text(body))


def signed_download_request(path: str) -> HttpRequest:
    """Ask for a URL of a file's bytes, which is good for some minutes."""
    return HttpRequest(
        name="mlflow-artifacts presigned",
        method="GET",
        path=f"{_PREFIX}/presigned/{segments(path)}",
        replay_safe=True,
        missing=Named("artifact", path),
        is_optional=True,
    )


def signed_from_reply(reply: object) -> Result[SignedUrl, WrongShape]:
    """The URL."""
    signed = _signed(members(reply))
    return Success(signed) if signed.url else Failure(WrongShape("it has no URL"))


def piece_request() -> HttpRequest:
    """Get a part of a file from its store."""
    return HttpRequest(name="download of a part", method="GET", path="", replay_safe=True)


def part_request() -> HttpRequest:
    """Put a part of a file to its store."""
    return HttpRequest(name="upload of a part", method="PUT", path="", replay_safe=True)


def _upload_step(step: str, path: str, body: str) -> HttpRequest:
    folder = path.rpartition("/")[0]
    return HttpRequest(
        name=f"mlflow-artifacts mpu {step}",
        method="POST",
        path=f"{_PREFIX}/mpu/{step}/{segments(folder)}",
        body=body,
        replay_safe=step == "abort",
        missing=Named("artifact", path),
        is_optional=True,
    )


def _number(part: object) -> int:
    return whole(members(part).get("part_number"))


def _signed(given: object) -> SignedUrl:
    parts = members(given)
    headers = {name: text(value) for name, value in members(parts.get("headers")).items()}
    return SignedUrl(url=text(parts.get("url")), headers=immutabledict(headers))
