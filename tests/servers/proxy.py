"""A reverse proxy on loopback: it counts what a client asks of a real server, and can spoil replies."""

from __future__ import annotations

import contextlib
import http
import http.client
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import attrs

from tests.servers.loopback import Loopback, answering
from tests.servers.messages import Answer, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Instead: TypeAlias = "Callable[[SeenRequest], Answer | None]"
Spoil: TypeAlias = "Callable[[SeenRequest, Answer], Answer]"

TIMEOUT_S = 60.0

# These speak of one connection, not of the message; host and lengths are set anew on the way.
_NOT_FORWARDED = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


@contextlib.contextmanager
def proxying(
    target_uri: str, *, instead: Instead | None = None, spoil: Spoil | None = None
) -> Generator[Loopback]:
    """Run a proxy in front of a server.

    Args:
        target_uri: The server's address, with a base path or without.
        instead: Asked before forwarding; the answer it gives, if any, replaces the server's.
        spoil: Asked after forwarding: what to do with the server's reply.
    """

    def reply(request: SeenRequest) -> Answer:
        answer = instead(request) if instead else None
        if answer is not None:
            return answer
        answer = _forward(request, target_uri)
        return spoil(request, answer) if spoil else answer

    with answering(reply) as seen:
        yield seen


@contextlib.contextmanager
def proxying_below(target_uri: str, prefix: str) -> Generator[str]:
    """Run a proxy that has a server below a path, as teams share a host; give its address there."""

    def reply(request: SeenRequest) -> Answer:
        if not request.target.startswith(f"{prefix}/"):
            html = (("Content-Type", "text/html"),)
            return Answer(status=http.HTTPStatus.NOT_FOUND, headers=html, body=b"<h1>Nothing here</h1>")
        return _forward(attrs.evolve(request, target=request.target.removeprefix(prefix)), target_uri)

    with answering(reply) as seen:
        yield f"{seen.uri}{prefix}"


def _forward(request: SeenRequest, target_uri: str) -> Answer:
    target = urlsplit(target_uri)
    connection = http.client.HTTPConnection(target.netloc, timeout=TIMEOUT_S)
    try:
        connection.putrequest(
            request.method, target.path.rstrip("/") + request.target, skip_accept_encoding=True
        )
        for name, value in request.headers.items():
            if name not in _NOT_FORWARDED:
                connection.putheader(name, value)
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        return Answer(status=response.status, headers=_kept(response), body=response.read())
    finally:
        connection.close()


def _kept(response: http.client.HTTPResponse) -> tuple[tuple[str, str], ...]:
    """Give the reply's headers; a HEAD's length stands for the body that does not come."""
    length = response.headers.get("Content-Length")
    kept = tuple(pair for pair in response.getheaders() if pair[0].lower() not in _NOT_FORWARDED)
    bodiless = length is not None and response.length == 0 and int(length) > 0
    return (*kept, ("Content-Length", str(length))) if bodiless else kept
