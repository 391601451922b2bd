"""How sockets are read: acknowledged at once, so that no server waits for it."""

from __future__ import annotations

import socket

import httpx
import pytest

from mlopus.repositories.mlflow.sockets import Wire
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer

# Without it there is nothing to ask for; macOS acknowledges small packets by other rules.
HAS_QUICKACK = hasattr(socket, "TCP_QUICKACK")


def acknowledgements(transport: httpx.BaseTransport, uri: str, times: int = 6) -> list[int]:
    """After each reply on one connection, whether the kernel acknowledges at once (1) or waits (0)."""
    seen: list[int] = []
    with httpx.Client(transport=transport, trust_env=False) as client:
        for _ in range(times):
            with client.stream("GET", uri) as reply:
                reply.read()
                kept: socket.socket = reply.extensions["network_stream"].get_extra_info("socket")
                option = getattr(socket, "TCP_QUICKACK", None)
                seen.append(1 if option is None else kept.getsockopt(socket.IPPROTO_TCP, option))
    return seen


def test_each_reply_is_acknowledged_at_once(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=b"x"))
    assert acknowledgements(Wire(None, lambda _: None), server.uri) == [1] * 6
    assert server.connections == 1


def test_otherwise_the_kernel_would_wait(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=b"x"))
    assert (0 in acknowledgements(httpx.HTTPTransport(), server.uri)) is HAS_QUICKACK


def test_replies_through_a_proxy_are_acknowledged_at_once(loopback: StartLoopback) -> None:
    proxy = loopback(Answer(body=b"x"))
    assert acknowledgements(Wire(None, lambda _: proxy.uri), "http://mlflow.example") == [1] * 6


@pytest.mark.parametrize("size_bytes", [0, 1, 65_536, 65_537, 5_000_000])
def test_bodies_of_any_size_come_whole(loopback: StartLoopback, size_bytes: int) -> None:
    body = bytes(range(251)) * (size_bytes // 251 + 1)
    server = loopback(Answer(body=body[:size_bytes]))
    with httpx.Client(transport=Wire(None, lambda _: None), trust_env=False) as client:
        assert [client.get(server.uri).content for _ in range(2)] == [body[:size_bytes]] * 2


def test_idle_connections_are_asked_for_whether_the_peer_is_there(loopback: StartLoopback) -> None:
    server = loopback(Answer())
    with (
        httpx.Client(transport=Wire(None, lambda _: None), trust_env=False) as client,
        client.stream("GET", server.uri) as reply,
    ):
        kept: socket.socket = reply.extensions["network_stream"].get_extra_info("socket")
        assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
