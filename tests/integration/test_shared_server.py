"""A shared server starts once, ends with its last user, and outlives nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.servers.shared import ServerDidNotStart, shared_server

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

# It answers everything, `/health` too, with its process id.
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

# Uses the server in the folder given until it is killed.
USER = """
import pathlib, sys
from tests.integration.test_shared_server import sharing
with sharing(pathlib.Path(sys.argv[1])) as uri:
    print(uri, flush=True)
    sys.stdin.read()
"""


def sharing(folder: Path) -> AbstractContextManager[str]:
    return shared_server(folder, lambda port: (sys.executable, "-c", SERVER, str(port)), os.environ)


def test_two_users_at_once_share_one_server(tmp_path: Path) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        pids = {httpx.get(one).text, httpx.get(other).text}

    assert len(pids) == 1


def test_a_server_ends_with_its_last_user(tmp_path: Path) -> None:
    with sharing(tmp_path) as uri:
        assert httpx.get(uri).is_success

    with pytest.raises(httpx.ConnectError):
        httpx.get(uri)


def test_a_server_stays_when_the_user_that_started_it_is_killed(tmp_path: Path) -> None:
    with user(tmp_path) as starter:
        its_uri = uri_of(starter)
        with sharing(tmp_path) as uri:
            starter.kill()
            starter.wait()

            assert (uri, httpx.get(uri).status_code) == (its_uri, httpx.codes.OK)


def test_a_server_ends_when_its_only_user_is_killed(tmp_path: Path) -> None:
    with user(tmp_path) as only:
        uri = uri_of(only)
        only.kill()

    assert soon_refused(uri)


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    failing = (sys.executable, "-c", "raise SystemExit('no room left')")

    with (
        pytest.raises(ServerDidNotStart, match="no room left"),
        shared_server(tmp_path, lambda _: failing, os.environ),
    ):
        pytest.fail("it started")


def user(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", USER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def uri_of(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def soon_refused(uri: str) -> bool:
    for _ in range(200):
        try:
            httpx.get(uri)
        except httpx.ConnectError:
            return True
        time.sleep(0.1)
    return False
