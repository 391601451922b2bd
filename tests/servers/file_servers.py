"""Real servers of a folder: SFTP, and the web server of Python."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.servers import sftp_server
from tests.servers.object_stores import answers
from tests.servers.shared import shared_server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


@attrs.frozen(kw_only=True)
class FileServer:
    """A running server, the folder that it shows as its root, and what a client is to say."""

    url: str
    folder: Path
    options: Mapping[str, object]


@contextlib.contextmanager
def running_sftp(folder: Path) -> Generator[FileServer]:
    """Share the SFTP server of a folder."""
    shown = folder / "files"
    shown.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> tuple[str, ...]:
        return (sys.executable, sftp_server.__file__, str(port), str(shown))

    with shared_server(folder, command, os.environ, is_up=_accepts) as uri:
        options = {
            "username": sftp_server.USERNAME,
            "password": sftp_server.PASSWORD,
            "look_for_keys": False,
            "allow_agent": False,
        }
        yield FileServer(url=f"sftp://{uri.removeprefix('http://')}", folder=shown, options=options)


@contextlib.contextmanager
def running_http(folder: Path) -> Generator[FileServer]:
    """Share the web server of a folder."""
    shown = folder / "files"
    shown.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "http.server", str(port), "--protocol", "HTTP/1.1"),
            *("--bind", "127.0.0.1", "--directory", str(shown)),
        )

    with shared_server(folder, command, os.environ, is_up=answers) as uri:
        yield FileServer(url=uri, folder=shown, options={})


def _accepts(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
