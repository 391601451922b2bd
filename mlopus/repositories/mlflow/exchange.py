"""httpx behind values: the one module that sees its types and exceptions, imported when first used."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import attrs
import certifi
import httpx
from immutabledict import immutabledict

from mlopus.errors import InvalidValue, TimedOut, Unreachable, UnreadableReply
from mlopus.repositories.mlflow.policy import Fault
from mlopus.repositories.mlflow.sockets import Wire, answer_within
from mlopus.repositories.surroundings import Surroundings
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.errors import clean
from mlopus.wire.mlflow.http import HttpReply

CHUNK_BYTES = 1024 * 1024


@attrs.frozen(kw_only=True)
class Tls:
    """How the server is known, and how this client is: paths of PEM files."""

    verify: bool = True
    ca_cert: str | None = None
    ca_dir: str | None = None
    client_cert: str | None = None

    def context(self) -> ssl.SSLContext:
        """What connections are encrypted with. The environment has no say: it was read at `connect`.

        Raises:
            OSError: A file cannot be read, holds no certificate, or its key asks for a password.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if sys.version_info >= (3, 13):
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_cert is not None or self.ca_dir is not None:
            context.load_verify_locations(self.ca_cert, self.ca_dir)
        else:
            context.load_verify_locations(certifi.where())
        if self.client_cert is not None:
            context.load_cert_chain(self.client_cert, password="")  # nobody is asked on a terminal
        return context


@attrs.frozen(kw_only=True)
class Asked:
    """What errors about a request say of it."""

    place: str
    name: str
    timeout_s: float


def open_client(tls: Tls | None, surroundings: Surroundings) -> httpx.Client:
    """A client that keeps connections, and nothing else: no cookies, no redirects, no credentials.

    Without `tls` it can reach what is not encrypted, and loads no certificates.

    Raises:
        OSError: A certificate file cannot be read, or holds none.
    """
    return httpx.Client(
        transport=Wire(None if tls is None else tls.context(), surroundings.proxy_for),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


class Incoming:
    """A reply whose body is still to be read; close it, read or not."""

    def __init__(self, response: httpx.Response, asked: Asked) -> None:
        self._response = response
        self._asked = asked

    @property
    def status(self) -> int:
        """The status."""
        return self._response.status_code

    @property
    def headers(self) -> immutabledict[str, str]:
        """The headers, their names in lower case."""
        return immutabledict(self._response.headers)

    def chunks(self, size_bytes: int | None = CHUNK_BYTES) -> Iterator[Result[bytes, Fault]]:
        """The body in pieces of that size, the last maybe smaller; None: as they come. A Failure ends it."""
        try:
            for chunk in self._response.iter_bytes(size_bytes):
                yield Success(chunk)
        except (httpx.HTTPError, httpx.StreamError) as error:
            yield Failure(fault_of(error, self._asked))

    def whole(self) -> HttpReply | Fault:
        """The reply with all of its body, if that comes within the time of one answer; closes it."""
        try:
            return self._whole()
        finally:
            self.close()

    def _whole(self) -> HttpReply | Fault:
        deadline = time.monotonic() + self._asked.timeout_s
        answer_within(self._response.extensions, self._asked.timeout_s)
        body: list[bytes] = []
        for chunk in self.chunks(None):  # so that the time is looked at even if bytes only drip
            if isinstance(chunk, Failure):
                return chunk.failure()
            if time.monotonic() > deadline:
                return Fault(error=_timed_out(self._asked), maybe_done=True)
            body.append(chunk.unwrap())
        return HttpReply(status=self.status, headers=self.headers, body=b"".join(body))

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        self._response.close()


def send(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | Iterable[bytes] | None,
    connect_timeout_s: float,
    asked: Asked,
) -> Incoming | Fault:
    """Send a request and read the head of its reply."""
    timeout = httpx.Timeout(asked.timeout_s, connect=connect_timeout_s)
    try:
        request = client.build_request(method, url, headers=headers, content=content, timeout=timeout)
        return Incoming(client.send(request, stream=True), asked)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return fault_of(error, asked)


def fault_of(error: httpx.HTTPError | httpx.InvalidURL | httpx.StreamError, asked: Asked) -> Fault:
    """What an exception of httpx means. Its text is left out where it may hold what was sent."""
    match error:
        case httpx.ConnectTimeout():
            reason = clean(f"no connection in time ({error})")
            return Fault(error=Unreachable(place=asked.place, reason=reason), is_final=True)
        case httpx.ConnectError():
            return _not_connected(str(error), asked)
        case httpx.ProxyError():
            reason = clean(f"the proxy on the way to it: {error}")
            return Fault(error=Unreachable(place=asked.place, reason=reason), is_final=True)
        case httpx.PoolTimeout():
            return Fault(error=_timed_out(asked), is_final=True)
        case httpx.TimeoutException():
            return Fault(error=_timed_out(asked), maybe_done=True)
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            reason = "cannot be sent: something in it is not HTTP"
            return Fault(error=InvalidValue(kind="request", key=asked.name, reason=reason), is_final=True)
        case httpx.DecodingError():
            reason = "its compression is broken"
            reply = UnreadableReply(place=asked.place, request=asked.name, reason=reason, excerpt="")
            return Fault(error=reply, maybe_done=True)
        case _:
            reason = clean(f"the connection was lost during {asked.name} ({error})")
            return Fault(error=Unreachable(place=asked.place, reason=reason), maybe_done=True)


def _not_connected(words: str, asked: Asked) -> Fault:
    if "CERTIFICATE" in words or "[SSL" in words:
        hint = "Give the authority's certificate (ca_cert), or the address that the certificate names."
        unreachable = Unreachable(place=asked.place, reason=clean(words), hint=hint)
        return Fault(error=unreachable, is_final=True)
    return Fault(error=Unreachable(place=asked.place, reason=clean(words)), was_refused=True)


def _timed_out(asked: Asked) -> TimedOut:
    return TimedOut(place=asked.place, request=asked.name, timeout_s=asked.timeout_s)
