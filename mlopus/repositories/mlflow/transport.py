"""Requests to one server and their replies: connections, credentials, redirects and retries.

What is told to the server (credentials, headers, workspace, client certificate) is told to its
origin only. Requests to any other go over connections of their own, without all of that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import urljoin

import attrs

from mlopus.errors import IllegalPath, InvalidValue, MlopusError, UnreadableReply
from mlopus.ports.meter import Meter, NoMeter
from mlopus.repositories.mlflow.endpoint import Endpoint, WebOrigin, origin_of, place_of, with_headers
from mlopus.repositories.mlflow.policy import Fault, Policy, answer
from mlopus.repositories.mlflow.providers import HeaderProvider, load_providers, provided_headers
from mlopus.repositories.process_local import PerProcess
from mlopus.repositories.surroundings import Surroundings
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.errors import error_from_reply, excerpt, json_from_reply, may_pass
from mlopus.wire.mlflow.http import HttpReply, HttpRequest, WrongShape

if TYPE_CHECKING:
    import httpx

    from mlopus.repositories.mlflow.exchange import Asked, Incoming

T = TypeVar("T")

Content: TypeAlias = bytes | Callable[[], Iterable[bytes]]
"""A body: bytes, or a function that gives them anew for each request, and raises before it is made."""

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER: Final = 303
_FAILED: Final = 300

_log = logging.getLogger("mlopus")


def _open(ca_cert: str | None, client_cert: str | None, way: _Way) -> httpx.Client:
    from mlopus.repositories.mlflow.exchange import Tls, open_client  # noqa: PLC0415 (loads httpx)

    around = way.surroundings
    if not way.encrypts:
        return open_client(None, around)
    ca_dir = around.ca_dir if ca_cert is None else None
    tls = Tls(verify=way.verify, ca_cert=ca_cert or around.ca_file, ca_dir=ca_dir, client_cert=client_cert)
    return open_client(tls, around)


def _close(client: httpx.Client) -> None:
    client.close()


@attrs.frozen(kw_only=True)
class _Way:
    surroundings: Surroundings
    verify: bool = True
    encrypts: bool = True


def _home_of(transport: Transport) -> PerProcess[httpx.Client]:
    around = transport.surroundings
    proxy = around.proxy_for(transport.endpoint.uri) or ""
    encrypts = transport.endpoint.uri.startswith("https:") or proxy.startswith("https:")
    way = _Way(surroundings=around, verify=transport.verify_tls, encrypts=encrypts)
    return PerProcess(partial(_open, transport.ca_cert, transport.client_cert, way), _close)


def _abroad_of(transport: Transport) -> PerProcess[httpx.Client]:
    return PerProcess(partial(_open, None, None, _Way(surroundings=transport.surroundings)), _close)


@attrs.frozen(kw_only=True)
class Transport:
    """Asks one server. Thread-safe; picklable; connections belong to the process that opened them.

    `asks_plugins`: whether plugins of MLflow may add headers.
    """

    endpoint: Endpoint
    policy: Policy = Policy()
    verify_tls: bool = True
    ca_cert: str | None = None
    client_cert: str | None = None
    surroundings: Surroundings = Surroundings()
    asks_plugins: bool = True
    meter: Meter = attrs.field(default=NoMeter(), eq=False, repr=False)
    _home: PerProcess[httpx.Client] = attrs.field(
        default=attrs.Factory(_home_of, takes_self=True), eq=False, repr=False
    )
    _abroad: PerProcess[httpx.Client] = attrs.field(
        default=attrs.Factory(_abroad_of, takes_self=True), eq=False, repr=False
    )
    _providers: PerProcess[tuple[HeaderProvider, ...]] = attrs.field(
        factory=lambda: PerProcess(load_providers), eq=False, repr=False
    )
    _servers: PerProcess[dict[WebOrigin, str]] = attrs.field(
        factory=lambda: PerProcess(dict[WebOrigin, str]), eq=False, repr=False
    )

    @property
    def place(self) -> str:
        """The server as errors name it."""
        return self.endpoint.place

    def server_name(self, host: str | None = None) -> str | None:
        """The `Server` header of what answered last there; None before that, and where there is none."""
        origin = origin_of(self.endpoint.url_of("/", host))
        return None if origin is None else self._servers.get().get(origin)

    def metered(self, meter: Meter) -> Transport:
        """The same transport, on the same connections, that tells this meter."""
        return attrs.evolve(self, meter=meter)

    def hurried(self, timeout_s: float) -> Transport:
        """The same transport, on the same connections, that tries once and waits no longer than that."""
        return attrs.evolve(self, policy=self.policy.hurried(timeout_s))

    def call(
        self, request: HttpRequest, read: Callable[[object], Result[T, WrongShape | IllegalPath]]
    ) -> Result[T, MlopusError]:
        """What a JSON reply says, as a reader has it."""
        replied = self.ask(request)
        if isinstance(replied, Failure):
            return Failure(replied.failure().error)
        return self.read(request, replied.unwrap(), read)

    def read(
        self,
        request: HttpRequest,
        reply: HttpReply,
        read: Callable[[object], Result[T, WrongShape | IllegalPath]],
    ) -> Result[T, MlopusError]:
        """What a JSON reply that has come says."""
        parsed = json_from_reply(request, self._without_secrets(reply), self.place)
        if isinstance(parsed, Failure):
            return parsed
        answered = read(parsed.unwrap())
        if isinstance(answered, Success):
            return answered
        fault = answered.failure()
        if isinstance(fault, MlopusError):
            return Failure(fault)
        return Failure(self.unreadable(request, reply, fault))

    def do(self, request: HttpRequest) -> Result[None, MlopusError]:
        """Ask, where the reply says nothing that is needed."""
        replied = self.ask(request)
        return Failure(replied.failure().error) if isinstance(replied, Failure) else Success(None)

    def ask(self, request: HttpRequest, host: str | None = None) -> Result[HttpReply, Fault]:
        """A whole reply with a status of success; another host is asked without credentials."""
        outcome = answer(request, self.policy, lambda: self._try_whole(request, host))
        if isinstance(outcome, Fault):
            return Failure(outcome)
        return Success(outcome) if outcome.status < _FAILED else Failure(self.fault_of(request, outcome))

    def fault_of(self, request: HttpRequest, reply: HttpReply) -> Fault:
        """Why a reply is no answer."""
        error = error_from_reply(request, self._without_secrets(reply), self.place)
        return Fault(error=error, maybe_done=may_pass(reply))

    def unreadable(self, request: HttpRequest, reply: HttpReply, shape: WrongShape) -> UnreadableReply:
        """The error of a reply that is not what the operation answers."""
        words = excerpt(self._without_secrets(reply).body)
        return UnreadableReply(place=self.place, request=request.name, reason=shape.reason, excerpt=words)

    def _try_whole(self, request: HttpRequest, host: str | None) -> HttpReply | Fault:
        content = None if request.body is None else _encoded(request)
        if isinstance(content, InvalidValue):
            return Fault(error=content, is_final=True)
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        incoming = self.open(request, headers=headers, content=content, host=host)
        return incoming if isinstance(incoming, Fault) else incoming.whole()

    def open(
        self,
        request: HttpRequest,
        *,
        headers: Mapping[str, str],
        content: Content | None = None,
        host: str | None = None,
        leaves_home: bool = False,
    ) -> Incoming | Fault:
        """One try: the head of a reply, its body still to be read. Redirects are followed.

        Args:
            request: What to ask.
            headers: For this request, whoever gets it.
            content: The body, if it is not the request's own.
            host: Another host (and port) than the server's, without its credentials.
            leaves_home: A redirect to another origin is followed, without the server's credentials.
        """
        url = self.endpoint.url_of(request.target, host)
        for _ in range(MAX_REDIRECTS + 1):
            is_home = origin_of(url) == self.endpoint.origin
            incoming = self._send(request, url, headers, content, is_home=is_home)
            if isinstance(incoming, Fault) or incoming.status not in _REDIRECTS:
                return incoming
            location = incoming.headers.get("location", "")
            incoming.close()
            target = urljoin(url, location)
            if (
                reason := self._why_not(request, incoming.status, url, target, leaves_home=leaves_home)
            ) is not None:
                return Fault(error=self._misdirected(request, target, reason), is_final=True)
            url = target
        return Fault(error=self._misdirected(request, url, "it redirects again and again to"), is_final=True)

    def open_signed(
        self, request: HttpRequest, url: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> Incoming | Fault:
        """One try at a URL that the server gave and that lets in whoever has it. No redirect is followed.

        What is told to the server is not told there, even if it is at the same address; nor is an
        encrypted way left for an open one.
        """
        origin, home = origin_of(url), self.endpoint.origin
        if origin is None or (home is not None and home[0] == "https" != origin[0]):
            return Fault(error=self._misdirected(request, url, "it names"), is_final=True)
        return self._send(request, url, headers, content, is_home=False)

    def _send(
        self,
        request: HttpRequest,
        url: str,
        headers: Mapping[str, str],
        content: Content | None,
        *,
        is_home: bool,
    ) -> Incoming | Fault:
        from mlopus.repositories.mlflow.exchange import send  # noqa: PLC0415 (loads httpx)

        sent = {"User-Agent": "mlopus", **headers}
        if is_home:
            added = provided_headers(self._providers.get()) if self.asks_plugins else {}
            own = self.endpoint.own_headers(request.method, url, sent, added)
            if isinstance(own, Failure):
                return Fault(error=own.failure(), is_final=True)
            sent = with_headers(sent, own.unwrap())
        client = self._client(is_home=is_home)
        if isinstance(client, Fault):
            return client
        body = content() if callable(content) else content
        started = time.monotonic()
        self.meter.requested()
        outcome = send(
            client,
            request.method,
            url,
            headers=sent,
            content=body,
            connect_timeout_s=self.policy.connect_timeout_s,
            asked=self._asked(request, place=self.place if is_home else place_of(url)),
        )
        self._hear(url, outcome)
        said = type(outcome.error).__name__ if isinstance(outcome, Fault) else outcome.status
        spent_ms = (time.monotonic() - started) * 1000
        _log.debug("%s %s of %s: %s in %.0f ms", request.method, request.name, place_of(url), said, spent_ms)
        return outcome

    def _hear(self, url: str, outcome: Incoming | Fault) -> None:
        origin, name = origin_of(url), None if isinstance(outcome, Fault) else outcome.headers.get("server")
        if origin is not None and name is not None:
            self._servers.get()[origin] = name

    def _client(self, *, is_home: bool) -> httpx.Client | Fault:
        try:
            return self._home.get() if is_home else self._abroad.get()
        except OSError as error:
            reason = f"cannot be used as a certificate: {error.strerror or error}"
            return Fault(error=IllegalPath(path=self._certificates(), reason=reason), is_final=True)

    def _certificates(self) -> str:
        """The files that connections are opened with."""
        around = self.surroundings
        trusted = self.ca_cert or around.ca_file or around.ca_dir
        return " or ".join(path for path in (trusted, self.client_cert) if path)

    def _asked(self, request: HttpRequest, place: str) -> Asked:
        from mlopus.repositories.mlflow.exchange import Asked  # noqa: PLC0415 (loads httpx)

        return Asked(place=place, name=request.name, timeout_s=self.policy.timeout_of(request))

    def _why_not(
        self, request: HttpRequest, status: int, url: str, target: str, *, leaves_home: bool
    ) -> str | None:
        """Why a redirect is not followed; None if it is."""
        if not self.surroundings.follows_redirects:
            return "MLFLOW_ALLOW_HTTP_REDIRECTS is off, and it redirects to"
        origin, before = origin_of(target), origin_of(url)
        is_downgrade = origin is not None and before is not None and before[0] == "https" != origin[0]
        may_leave = leaves_home and request.method == "GET"
        if origin is None or is_downgrade or (origin != before and not may_leave):
            return "it redirects to"
        return "it redirects a change to" if status == _SEE_OTHER and request.method != "GET" else None

    def _misdirected(self, request: HttpRequest, target: str, reason: str) -> UnreadableReply:
        where = place_of(target)
        hint = (
            f"If the server is at {where}, give that address; credentials are not sent along on a redirect."
        )
        return UnreadableReply(
            place=self.place, request=request.name, reason=f"{reason} {where}", excerpt="", hint=hint
        )

    def _without_secrets(self, reply: HttpReply) -> HttpReply:
        return attrs.evolve(reply, body=self.endpoint.without_secrets(reply.body))


def _encoded(request: HttpRequest) -> bytes | InvalidValue:
    try:
        return (request.body or "").encode()
    except UnicodeEncodeError:
        return InvalidValue(kind="request", key=request.name, reason="has half of a surrogate pair in a text")
