"""One server for all processes that ask for it: the first one starts it, the last one's end ends it."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from filelock import FileLock

from tests.servers import supervise

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

START_LIMIT_S = 120.0
LOG_LINES = 60


class ServerDidNotStart(Exception):
    """The server ended, or did not answer in time; the text holds the end of its log."""


@contextlib.contextmanager
def shared_server(
    folder: Path,
    command: Callable[[int], Sequence[str]],
    environment: Mapping[str, str],
    *,
    is_up: Callable[[int], bool] | None = None,
) -> Generator[str]:
    """Give the address of the server that lives in the folder, starting it if none runs there.

    Args:
        folder: The server's working directory; its log is in there. Sharing means naming the same folder.
        command: What starts a server on the port given.
        environment: All that the server is to see of an environment.
        is_up: Asked with the port, again and again, until the server is ready; None asks as MLflow answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    announcement = folder / "uri"
    process: subprocess.Popen[bytes] | None = None
    try:
        with (folder / "users.lock").open("w") as users:
            with FileLock(folder / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_SH)  # waits for the end of one that is just ending
                if not announcement.exists():
                    port = _free_port()
                    process = _start(folder, command(port), environment)
                    _wait_until_up(process, port, folder / "server.log", is_up or _is_healthy)
                    announcement.write_text(f"http://127.0.0.1:{port}")
                uri = announcement.read_text()
            yield uri
    finally:
        if process is not None:
            process.wait()  # it ends with the last user


def _start(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    files = (str(folder / "users.lock"), str(folder / "uri"))
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, supervise.__file__, *files, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )


def _wait_until_up(
    process: subprocess.Popen[bytes], port: int, log: Path, is_up: Callable[[int], bool]
) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if is_up(port):
            return
        time.sleep(0.1)
    fact = "did not answer in time" if process.poll() is None else "ended before it answered"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    message = f"the server on port {port} {fact}; its log ends:\n" + "\n".join(lines)
    raise ServerDidNotStart(message)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    """Find a port below those that systems hand to outgoing connections, which other tests use up."""
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "found no free port on 127.0.0.1"
    raise RuntimeError(message)
