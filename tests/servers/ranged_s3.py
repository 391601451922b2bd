"""The part of S3 that downloads use, with ranges: for benchmarks, so it sends files without looking at them.

`rclone serve s3` answers a range as if it were the whole. This has no credentials, no writes and no
versions; whatever it is asked for lies in a folder that is there when it starts. It can send at the speed
of a network, to all connections together.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.own_process import running_module, serve_and_tell

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE_BYTES = 1024 * 1024
_TIME = "2026-01-01T00:00:00.000Z"
_HTTP_TIME = "Thu, 01 Jan 2026 00:00:00 GMT"


@contextlib.contextmanager
def serving_ranges(folder: Path, *, bytes_a_second: int = 0, tells_md5: bool = False) -> Generator[str]:
    """Serve the buckets that are in a folder, on a free port, from a process of its own; gives its URL.

    At most so many bytes are sent a second; 0 is as many as can be. An ETag is the MD5 of a file, as of one
    that came in one request, or that of an upload in parts, which is no digest of it.
    """
    how = (str(bytes_a_second), "md5" if tells_md5 else "parts")
    with running_module("tests.servers.ranged_s3", str(folder), *how) as uri:
        yield uri


class _Line:
    """What all connections share: a piece is sent when those before it would be through."""

    def __init__(self, bytes_a_second: int) -> None:
        self._bytes_a_second = bytes_a_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self, size_bytes: int) -> None:
        """Wait until so many bytes may be sent."""
        if not self._bytes_a_second:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic())
            self._free_at = begin + size_bytes / self._bytes_a_second
        time.sleep(max(0.0, begin - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    line: _Line
    etag: Callable[[Path], str]

    def do_HEAD(self) -> None:
        self._object(with_content=False)

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        if target.path.strip("/").count("/") == 0:
            self._list(target.path.strip("/"), parse_qs(target.query).get("prefix", [""])[0])
        else:
            self._object(with_content=True)

    def _list(self, bucket: str, prefix: str) -> None:
        root = self.folder / bucket
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_TIME}</LastModified>"
            f"<ETag>&quot;{type(self).etag(path)}&quot;</ETag><Size>{path.stat().st_size}</Size></Contents>"
            for path in sorted(root.rglob("*"))
            if path.is_file() and (key := path.relative_to(root).as_posix()).startswith(prefix)
        )
        reply = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def _object(self, *, with_content: bool) -> None:
        path = self.folder / unquote(urlsplit(self.path).path).strip("/")
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size_bytes = path.stat().st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        begin, end = 0, size_bytes
        if asked is not None:
            begin = int(asked[1])
            end = min(int(asked[2]) + 1, size_bytes) if asked[2] else size_bytes
        self.send_response(200 if asked is None else 206)
        if asked is not None:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size_bytes}")
        self.send_header("Content-Length", str(end - begin))
        self.send_header("ETag", f'"{type(self).etag(path)}"')
        self.send_header("Last-Modified", _HTTP_TIME)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if with_content:
            self._send(path, begin, end)

    def _send(self, path: Path, begin: int, end: int) -> None:
        with path.open("rb") as file:
            while begin < end:
                size_bytes = min(end - begin, _PIECE_BYTES)
                self.line.wait(size_bytes)
                sent = os.sendfile(self.connection.fileno(), file.fileno(), begin, size_bytes)
                if sent == 0:
                    self.close_connection = True
                    return
                begin += sent

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name in http.server)
        """Keep quiet."""


def _etag_of_parts(path: Path) -> str:
    return f"{path.stat().st_ino:032x}-2"


@functools.cache
def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main(folder: str, bytes_a_second: str, etag: str) -> None:
    """Serve until killed; prints the port."""
    _Handler.folder = Path(folder)
    _Handler.etag = staticmethod(_md5 if etag == "md5" else _etag_of_parts)
    _Handler.line = _Line(int(bytes_a_second))
    serve_and_tell(ThreadingHTTPServer(("127.0.0.1", 0), _Handler))


if __name__ == "__main__":
    main(*sys.argv[1:4])
