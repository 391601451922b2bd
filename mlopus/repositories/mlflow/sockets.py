"""httpx's transport on httpcore's connections, which lets us say how a socket is read.

Linux delays the acknowledgement of a reply's first packet by 40 ms on a connection that is kept.
A server that sends head and body apart waits for it. So whoever reads asks for it at once.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import attrs
import httpcore
import httpx

from mlopus.concurrency.crews import stop_if_told
from mlopus.repositories.mlflow.endpoint import place_of

MAX_CONNECTIONS: Final = 64
KEPT_FOR_S: Final = 4.0
"""MLflow's servers close what is idle for 5 s; a connection is not used when that may be under way."""
_LOOKS_UP_EVERY_S: Final = 0.2
_SHORTEST_S: Final = 0.001
_PROXY_SCHEMES: Final = ("http", "https")
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)

_KEEP_ALIVE: Final = tuple(
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    )
    if hasattr(socket, name)
)
"""Asks a silent peer whether it is there, so that no gateway forgets a connection that waits."""


class PromptStream(httpcore.NetworkStream):
    """A connection that acknowledges at once, and knows when an answer is due.

    Attributes:
        due: When the bytes that are waited for must be there, on the monotonic clock. Sending sets
            it anew; None is no limit but that of each read.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket | None = stream.get_extra_info("socket")
        self._waits = True
        self.due: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, waiting for it no longer than allowed."""
        if self.due is not None:
            left = self.due - time.monotonic()
            if left <= 0:
                raise httpcore.ReadTimeout
            timeout = left if timeout is None else min(timeout, left)
        if self._waits:
            self._acknowledge()
        data = self._read(max_bytes, timeout)
        self._waits = len(data) < max_bytes  # what streams faster than it is read needs no help
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read, looking up now and then whether anybody still wants to know."""
        waits_until = None if timeout is None else time.monotonic() + timeout
        while True:
            left_s = _LOOKS_UP_EVERY_S if waits_until is None else waits_until - time.monotonic()
            try:
                return self._stream.read(max_bytes, min(_LOOKS_UP_EVERY_S, max(_SHORTEST_S, left_s)))
            except httpcore.ReadTimeout:
                stop_if_told()
                if waits_until is not None and time.monotonic() >= waits_until:
                    raise

    def _acknowledge(self) -> None:
        if _QUICKACK is not None and self._socket is not None:
            with contextlib.suppress(OSError):  # a broken connection is told by the read itself
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; the answer is due a whole time-out after that."""
        self._stream.write(buffer, timeout)
        self.due = None if timeout is None else time.monotonic() + timeout

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        return PromptStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection."""
        return self._stream.get_extra_info(info)


class PromptBackend(httpcore.NetworkBackend):
    """Opens connections as httpcore does, to be read promptly."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host."""
        options = (*_KEEP_ALIVE, *(socket_options or ()))
        return PromptStream(self._backend.connect_tcp(host, port, timeout, local_address, options))


@attrs.frozen
class _Body(httpx.SyncByteStream):
    """A reply's body, its errors translated."""

    stream: Iterable[bytes]

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self.stream

    def close(self) -> None:
        close: Callable[[], None] | None = getattr(self.stream, "close", None)
        if close is not None:
            with _translated():
                close()


class Wire(httpx.BaseTransport):
    """Kept connections, one pool for each proxy and one for the direct way.

    Args:
        context: How servers are known, and how this client is; None where nothing is encrypted.
        proxy_of: The proxy of a URL; None is the direct way.
    """

    def __init__(self, context: ssl.SSLContext | None, proxy_of: Callable[[str], str | None]) -> None:
        self._context = context
        self._proxy_of = proxy_of
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the head of its reply."""
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=cast("httpx.SyncByteStream", request.stream),
            extensions=request.extensions,
        )
        proxy = self._proxy_of(str(url))
        with _translated("" if proxy is None else f", through the proxy {place_of(proxy)}"):
            replied = self._pool(proxy).handle_request(asked)
        extensions: dict[str, Any] = dict(cast("Any", replied).extensions)
        answer_within(extensions, None)
        return httpx.Response(
            status_code=replied.status,
            headers=replied.headers,
            stream=_Body(cast("Iterable[bytes]", replied.stream)),
            extensions=extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, proxy: str | None) -> httpcore.ConnectionPool:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._direct() if proxy is None else self._through(proxy)
            return self._pools[proxy]

    def _direct(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=self._context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEPT_FOR_S,
            network_backend=PromptBackend(),
        )

    def _through(self, proxy: str) -> httpcore.ConnectionPool:
        try:
            given = httpx.Proxy(proxy)
        except (ValueError, httpx.InvalidURL):
            raise httpx.ProxyError("its address cannot be read") from None
        url = given.url
        if url.scheme not in _PROXY_SCHEMES:
            raise httpx.ProxyError(f"{url.scheme}: is not supported, give one that speaks HTTP")
        return httpcore.HTTPProxy(
            proxy_url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            proxy_auth=given.raw_auth,
            ssl_context=self._context,
            proxy_ssl_context=self._context if url.scheme == "https" else None,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEPT_FOR_S,
            network_backend=PromptBackend(),
        )


def answer_within(extensions: Mapping[str, Any], seconds: float | None) -> None:
    """Bound how long the rest of a reply may take altogether; None takes the bound away."""
    stream = extensions.get("network_stream")
    if isinstance(stream, PromptStream):
        stream.due = None if seconds is None else time.monotonic() + seconds


_EXCEPTIONS: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.ProxyError, httpx.ProxyError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.ProtocolError, httpx.ProtocolError),
)
"""The narrow ones first."""


@contextlib.contextmanager
def _translated(way: str = "") -> Generator[None]:
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        raise _meaning(error)(f"{error}{way}") from error


def _meaning(error: Exception) -> type[httpx.TransportError]:
    return next(ours for theirs, ours in _EXCEPTIONS if isinstance(error, theirs))
