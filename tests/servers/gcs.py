"""Google Cloud Storage for tests: the emulator, which has the JSON API, behind the XML API of clients.

The objects, their names, generations and listings are the emulator's. What is here only translates
between the two protocols, as far as a client of artifacts needs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import sys
import threading
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.servers.loopback import Loopback, answering
from tests.servers.messages import Answer, SeenRequest
from tests.servers.object_stores import BUCKET, answers
from tests.servers.shared import shared_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_EMPTY_UPLOAD = (
    b'--x\r\nContent-Type: application/json\r\n\r\n{"name": %s}\r\n'
    b"--x\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--x--"
)


@contextlib.contextmanager
def running_gcs(folder: Path) -> Generator[str]:
    """Share the emulator; gives its address."""

    def command(port: int) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1"),
            *("--port", str(port), "--in-memory", "--default-bucket", BUCKET),
        )

    with shared_server(folder, command, os.environ, is_up=answers) as uri:
        yield uri


@contextlib.contextmanager
def speaking_xml(emulator_uri: str) -> Generator[Loopback]:
    """Run a server that has the XML API and keeps everything in the emulator."""
    with answering(XmlApi(emulator_uri)) as server:
        yield server


class XmlApi:
    """Answers requests of the XML API by asking the JSON API."""

    def __init__(self, emulator_uri: str) -> None:
        self._netloc = urlsplit(emulator_uri).netloc
        self._parts: dict[str, dict[int, bytes]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: SeenRequest) -> Answer:
        """One request."""
        bucket, _, key = unquote(urlsplit(request.target).path).lstrip("/").partition("/")
        query = {
            name: values[0]
            for name, values in parse_qs(urlsplit(request.target).query, keep_blank_values=True).items()
        }
        match request.method:
            case "GET" if not key:
                return self._list(bucket, query)
            case "GET" | "HEAD":
                return self._get(bucket, key, request)
            case "PUT" if "uploadId" in query:
                with self._lock:
                    self._parts[query["uploadId"]][int(query["partNumber"])] = request.body
                return Answer(headers=(("ETag", f'"{query["partNumber"]}"'),))
            case "PUT":
                return self._put(bucket, key, request.body)
            case "POST" if "uploads" in query:
                return self._begin(key)
            case "POST":
                with self._lock:
                    parts = self._parts.pop(query["uploadId"])
                put = self._put(bucket, key, b"".join(parts[number] for number in sorted(parts)))
                tag = dict(put.headers)["ETag"]
                return _xml(
                    f"<CompleteMultipartUploadResult><ETag>{escape(tag)}</ETag></CompleteMultipartUploadResult>"
                )
            case "DELETE" if "uploadId" in query:
                with self._lock:
                    self._parts.pop(query["uploadId"], None)
                return Answer(status=HTTPStatus.NO_CONTENT)
            case "DELETE":
                status, _ = self._ask("DELETE", f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}")
                return Answer(status=HTTPStatus.NO_CONTENT if status < HTTPStatus.BAD_REQUEST else status)
            case _:
                return Answer(status=HTTPStatus.NOT_IMPLEMENTED)

    def _begin(self, key: str) -> Answer:
        with self._lock:
            number = f"{len(self._parts)}-{hashlib.sha256(os.urandom(16)).hexdigest()}"
            self._parts[number] = {}
        ids = f"<Key>{escape(key)}</Key><UploadId>{number}</UploadId>"
        return _xml(f"<InitiateMultipartUploadResult>{ids}</InitiateMultipartUploadResult>")

    def _put(self, bucket: str, key: str, content: bytes) -> Answer:
        kind = "media" if content else "multipart"
        target = f"/upload/storage/v1/b/{bucket}/o?" + urlencode({"uploadType": kind, "name": key})
        body = content or _EMPTY_UPLOAD % json.dumps(key).encode()
        content_type = "application/octet-stream" if content else "multipart/related; boundary=x"
        status, told = self._ask("POST", target, body, content_type)
        if status != HTTPStatus.OK:
            return Answer(status=status, body=told)
        return Answer(headers=_headers(json.loads(told)))

    def _get(self, bucket: str, key: str, request: SeenRequest) -> Answer:
        target = f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}"
        status, told = self._ask("GET", target)
        if status != HTTPStatus.OK:
            return _xml("<Error><Code>NoSuchKey</Code></Error>", status=HTTPStatus.NOT_FOUND)
        meta = json.loads(told)
        headers = _headers(meta)
        wanted = request.headers.get("if-match")
        if wanted is not None and wanted != dict(headers)["ETag"]:
            return Answer(status=HTTPStatus.PRECONDITION_FAILED)
        if request.method == "HEAD":
            return Answer(headers=(*headers, ("Content-Length", meta["size"])))
        _, content = self._ask("GET", f"{target}?alt=media")
        part = request.headers.get("range")
        if part is None:
            return Answer(headers=headers, body=content)
        begin, _, end = part.removeprefix("bytes=").partition("-")
        piece = content[int(begin) : int(end) + 1]
        told_range = ("Content-Range", f"bytes {begin}-{int(begin) + len(piece) - 1}/{len(content)}")
        return Answer(status=HTTPStatus.PARTIAL_CONTENT, headers=(*headers, told_range), body=piece)

    def _list(self, bucket: str, query: dict[str, str]) -> Answer:
        asked = {name: query[name] for name in ("prefix", "delimiter") if query.get(name)}
        status, told = self._ask("GET", f"/storage/v1/b/{bucket}/o?{urlencode(asked)}")
        if status != HTTPStatus.OK:
            return _xml("<Error><Code>NoSuchBucket</Code></Error>", status=status)
        listed = json.loads(told)
        root = ET.Element("ListBucketResult")
        ET.SubElement(root, "IsTruncated").text = "false"
        for meta in listed.get("items", ()):
            row = ET.SubElement(root, "Contents")
            for name, text in {
                "Key": meta["name"],
                "Size": str(meta["size"]),
                "LastModified": meta["updated"],
                "ETag": dict(_headers(meta))["ETag"],
            }.items():
                ET.SubElement(row, name).text = text
        for prefix in listed.get("prefixes", ()):
            ET.SubElement(ET.SubElement(root, "CommonPrefixes"), "Prefix").text = prefix
        return _xml(ET.tostring(root, encoding="unicode"))

    def _ask(
        self, method: str, target: str, body: bytes | None = None, content_type: str = ""
    ) -> tuple[int, bytes]:
        with self._lock:  # the emulator is made for one client at a time
            connection = http.client.HTTPConnection(self._netloc, timeout=30)
            try:
                headers = {"Content-Type": content_type} if content_type else {}
                connection.request(method, target, body=body, headers=headers)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()


def _headers(meta: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    updated = datetime.fromisoformat(meta["updated"])
    return (
        ("ETag", f'"{meta["md5Hash"]}-{meta.get("generation", "")}"'),
        ("Last-Modified", format_datetime(updated, usegmt=True)),
        ("x-goog-generation", str(meta.get("generation", "0"))),
    )


def _xml(text: str, *, status: int = 200) -> Answer:
    return Answer(status=status, headers=(("Content-Type", "application/xml"),), body=text.encode())
