"""HTTP servers on loopback that answer what a test says and remember what they were asked.

Bodies are held in memory, so these are no place for measurements.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

from immutabledict import immutabledict

from tests.servers.messages import Answer, SeenRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator

Reply: TypeAlias = "Answer | Callable[[SeenRequest], Answer]"


class Loopback:
    """A running server: where it is, and what it was asked so far."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._requests: list[SeenRequest] = []
        self._connections = 0

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """All requests, in the order in which they had arrived whole."""
        with self._lock:
            return tuple(self._requests)

    @property
    def calls(self) -> tuple[str, ...]:
        """The same as texts, such as `GET /version`."""
        return tuple(request.call for request in self.requests)

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        with self._lock:
            return self._connections

    def count(self, call: str) -> int:
        """How often this was asked, such as `GET /version`."""
        return self.calls.count(call)

    def forget(self) -> None:
        """Start counting again from nothing."""
        with self._lock:
            self._requests.clear()
            self._connections = 0

    def note_request(self, request: SeenRequest) -> None:
        """Count a request; the server calls this."""
        with self._lock:
            self._requests.append(request)

    def note_connection(self) -> None:
        """Count a connection; the server calls this."""
        with self._lock:
            self._connections += 1


@contextlib.contextmanager
def answering(reply: Reply, *, tls: ssl.SSLContext | None = None) -> Generator[Loopback]:
    """Run a server that gives one answer to all, or asks a function for each; encrypted, if that is given.

    Leaving raises what the function raised, if it did.
    """
    server = _Server(reply, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.seen
    finally:
        server.stop()
        thread.join()
    for fault in server.faults:
        raise fault


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them, so that no socket stays open

    def __init__(self, reply: Reply, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.seen = Loopback(f"{'http' if tls is None else 'https'}://127.0.0.1:{self.server_port}")
        self.stopping = threading.Event()
        self.faults: list[BaseException] = []
        self._reply = reply
        self._open: set[socket.socket] = set()

    def answer(self, request: SeenRequest) -> Answer:
        self.seen.note_request(request)
        return self._reply if isinstance(self._reply, Answer) else self._reply(request)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.seen.note_connection()
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (the base's signature)
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.faults.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one write

    @property
    def loopback(self) -> _Server:
        assert isinstance(self.server, _Server)
        return self.server

    def respond(self) -> None:
        request = SeenRequest(
            method=self.command,
            target=self.path,
            headers=immutabledict({name.lower(): value for name, value in self.headers.items()}),
            body=self._read_body(),
        )
        answer = self.loopback.answer(request)
        self.loopback.stopping.wait(answer.delay_s)
        if answer.hang_up:
            self.close_connection = True
            return
        self._write_head(answer)
        if self.command != "HEAD":
            self._write_body(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815  (the base's)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self._read(int(self.headers.get("Content-Length", 0)))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self._read(size))
            self._read(2)
        while self.rfile.readline().strip():
            continue
        return b"".join(chunks)

    def _read(self, size: int) -> bytes:
        read = self.rfile.read(size)
        if len(read) < size:
            raise ConnectionAbortedError
        return read

    def _write_head(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in answer.headers):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _write_body(self, answer: Answer) -> None:
        body = answer.body[: answer.cut_after]
        if answer.stall_s:
            self.wfile.write(body[: answer.stall_after])
            self.wfile.flush()
            self.loopback.stopping.wait(answer.stall_s)
            body = body[answer.stall_after :]
        self.wfile.write(body)
        if answer.cut_after is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's signature)
        """Keep quiet: what was asked is in `Loopback.requests`."""
