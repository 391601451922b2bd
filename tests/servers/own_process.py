"""Servers of ours, each in a process of its own: it says its port, and is killed at the end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import HTTPServer


@contextlib.contextmanager
def running_module(module: str, *arguments: str) -> Generator[str]:
    """Run a module that serves; gives its address."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def serve_and_tell(server: HTTPServer) -> None:
    """Serve until killed; whoever started this reads the port."""
    print(server.server_port, flush=True)  # noqa: T201 (as above)
    server.serve_forever()
