"""A small server with one run, whose artifacts are the files of a folder; it can be held up, and counts.

For tests that kill or interrupt a client. It runs in a process of its own, so that a test that forks has
no threads of it, and streams, so that a client can be killed at a byte. Files are sent with an ETag of
their content, and `Range` with `If-Range` is honoured, as MLflow 3 does for files on its own disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.own_process import running_module, serve_and_tell

if TYPE_CHECKING:
    from collections.abc import Generator

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
ROOT = "mlflow-artifacts:/1/r1/artifacts"
_RUN_ROOT = "1/r1/artifacts"
_PIECE_BYTES = 64 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_RUN = {"run_id": "r1", "experiment_id": "1", "status": "FINISHED", "artifact_uri": ROOT}
_METADATA = {
    "run": {"info": _RUN},
    "experiment": {"experiment_id": "1", "name": "e", "lifecycle_stage": "active"},
}


class ArtifactServer:
    """A running server.

    Attributes:
        uri: Where it is.
        files: The folder of the run's artifacts.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.files = folder / "files"
        self._log = folder / "log"

    def put(self, contents: dict[str, bytes]) -> None:
        """Make these the only files."""
        for path in sorted(self.files.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, content in contents.items():
            (self.files / name).parent.mkdir(parents=True, exist_ok=True)
            (self.files / name).write_bytes(content)

    def contents(self) -> dict[str, bytes]:
        """The files that are there."""
        found = (path for path in self.files.rglob("*") if path.is_file() and path.suffix != ".incoming")
        return {str(path.relative_to(self.files)): path.read_bytes() for path in found}

    def allow(self, size_bytes: int | None) -> None:
        """Send and take so many bytes of files from now on, then wait; None: all there are."""
        new = self.files.parent / "allowed.new"
        new.write_text(f"{time.monotonic_ns()} {'inf' if size_bytes is None else size_bytes}")
        new.rename(self.files.parent / "allowed")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests for files that have ended, with the bytes that were sent or taken."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def sent_bytes(self) -> int:
        """How many bytes of files were sent."""
        return sum(request["bytes"] for request in self.requests if request["method"] == "GET")

    def forget(self) -> None:
        """Count anew."""
        self._log.unlink(missing_ok=True)


@contextlib.contextmanager
def serving(folder: Path) -> Generator[ArtifactServer]:
    """Run the server on a free port; its files and its log are below a folder."""
    (folder / "files").mkdir(parents=True, exist_ok=True)
    with running_module("tests.servers.artifact_server", str(folder)) as uri:
        yield ArtifactServer(uri, folder)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    lock = threading.Lock()
    moved_bytes = 0
    allowance = ""

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        if target.path == PROXY:
            self._answer(_listing(self._file(parse_qs(target.query).get("path", [""])[0])))
        elif target.path.startswith(f"{PROXY}/"):
            self._send_file(self._file(unquote(target.path.removeprefix(f"{PROXY}/"))))
        elif target.path == "/version":
            self._answer_bytes(b"3.17.2")
        elif target.path.startswith("/api/2.0/"):
            self._answer(_METADATA)
        else:
            self._answer({}, status=404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({})

    def do_PUT(self) -> None:
        """Take a file; nobody sees it before it is whole."""
        target = self._file(unquote(urlsplit(self.path).path.removeprefix(f"{PROXY}/")))
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming = target.with_name(f"{target.name}.{os.urandom(4).hex()}.incoming")
        left, taken = int(self.headers["Content-Length"]), 0
        with incoming.open("wb") as file:
            while left and (piece := self.rfile.read1(min(left, _PIECE_BYTES))):
                self._wait_for_leave(len(piece))
                file.write(piece)
                taken, left = taken + len(piece), left - len(piece)
        self._note(200 if not left else 400, taken)
        if left:
            incoming.unlink()
            self.close_connection = True
            return
        incoming.rename(target)
        self._answer_bytes(b"")

    def do_DELETE(self) -> None:
        self._file(unquote(urlsplit(self.path).path.removeprefix(f"{PROXY}/"))).unlink(missing_ok=True)
        self._answer({})

    def _file(self, path: str) -> Path:
        below = path.removeprefix(_RUN_ROOT).strip("/")
        return self.folder / "files" / below if below else self.folder / "files"

    def _send_file(self, file: Path) -> None:
        if not file.is_file():
            self._answer({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such file"}, status=404)
            return
        with file.open("rb") as reader:
            size = os.fstat(reader.fileno()).st_size
            etag = f'"{hashlib.file_digest(reader, "sha256").hexdigest()[:32]}"'
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            is_part = asked is not None and self.headers.get("If-Range", etag) == etag
            first = int(asked[1]) if is_part and asked else 0
            end = min(size, int(asked[2]) + 1) if is_part and asked and asked[2] else size
            self._begin(206 if is_part else 200)
            self.send_header("ETag", etag)
            if is_part:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
            self.send_header("Content-Length", str(end - first))
            self.end_headers()
            reader.seek(first)
            sent = 0
            try:
                while sent < end - first:
                    piece = reader.read(min(_PIECE_BYTES, end - first - sent))
                    self._wait_for_leave(len(piece))
                    self.wfile.write(piece)
                    sent += len(piece)
            except OSError:
                self.close_connection = True
            self._note(206 if is_part else 200, sent)

    def _begin(self, status: int) -> None:
        self.send_response_only(status)
        self.send_header("Server", "uvicorn")

    def _wait_for_leave(self, size_bytes: int) -> None:
        while True:
            with _Handler.lock:
                allowance = self._allowance()
                if allowance != _Handler.allowance:
                    _Handler.allowance, _Handler.moved_bytes = allowance, 0
                if _Handler.moved_bytes + size_bytes <= float(allowance.partition(" ")[2]):
                    _Handler.moved_bytes += size_bytes
                    return
            time.sleep(0.01)
            if self.command == "GET" and select.select([self.connection], [], [], 0)[0]:
                raise ConnectionAbortedError  # a client that asks for nothing more has gone

    def _allowance(self) -> str:
        try:
            return (self.folder / "allowed").read_text()
        except FileNotFoundError:
            return "0 inf"

    def _note(self, status: int, size_bytes: int) -> None:
        line = {
            "method": self.command,
            "path": unquote(urlsplit(self.path).path).rpartition(f"{_RUN_ROOT}/")[2],
            "status": status,
            "bytes": size_bytes,
            "range": self.headers.get("Range"),
            "if_range": self.headers.get("If-Range"),
        }
        with (self.folder / "log").open("a") as file:
            file.write(f"{json.dumps(line)}\n")

    def _answer(self, value: dict[str, Any], status: int = 200) -> None:
        self._answer_bytes(json.dumps(value).encode(), status)

    def _answer_bytes(self, body: bytes, status: int = 200) -> None:
        self._begin(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's signature)
        """Keep quiet."""


def _listing(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        return {}
    entries: list[dict[str, Any]] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            entries.append({"path": path.name, "is_dir": True})
        elif path.suffix != ".incoming":
            entries.append({"path": path.name, "is_dir": False, "file_size": path.stat().st_size})
    return {"files": entries}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed here."""


def main(folder: str) -> None:
    """Serve a folder until killed; the port is printed."""
    _Handler.folder = Path(folder)
    server = _Server(("127.0.0.1", 0), _Handler)
    serve_and_tell(server)


if __name__ == "__main__":
    main(sys.argv[1])
