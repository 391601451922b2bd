"""Azurite, the emulator of Azure's storage: a program of npm, installed once and shared."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http
import http.client
import os
import shutil
import subprocess
from email.utils import formatdate
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
from filelock import FileLock

from tests.servers.environment import FOLDER
from tests.servers.object_stores import answers
from tests.servers.shared import shared_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

VERSION: Final = "3.37.0"
ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Public: it is the same everywhere, and opens nothing but the emulator."""


@attrs.frozen(kw_only=True)
class Azurite:
    """A running Azurite."""

    uri: str

    @property
    def options(self) -> dict[str, str]:
        """What `storage_options` says of it, for `az`."""
        return {"account_name": ACCOUNT, "account_key": KEY, "endpoint": f"{self.uri}/{ACCOUNT}"}


@contextlib.contextmanager
def running_azurite(folder: Path) -> Generator[Azurite]:
    """Share the server that keeps its blobs in the folder."""
    script = _installed()

    def command(port: int) -> tuple[str, ...]:
        return (
            *("node", str(script), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *("--location", str(folder / "blobs"), "--silent", "--skipApiVersionCheck"),
        )

    with shared_server(folder, command, os.environ, is_up=answers) as uri:
        yield Azurite(uri=uri)


def make_container(server: Azurite, name: str) -> None:
    """Make a container, which no client of artifacts does."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    named = f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    text = "PUT" + "\n" * 12 + named
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        "Content-Length": "0",
    }
    connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=30)
    try:
        connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
        response = connection.getresponse()
        assert response.status == http.HTTPStatus.CREATED, response.read()
    finally:
        connection.close()


def _installed() -> Path:
    """Its program for blobs; the first call takes as long as npm does."""
    home = FOLDER / f"azurite-{VERSION}"
    script = home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    FOLDER.mkdir(exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not script.exists():
            building = home.with_name(f"{home.name}.building")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            command = ("npm", "install", "--no-audit", "--no-fund", "--prefix", str(building))
            subprocess.run((*command, f"azurite@{VERSION}"), check=True, capture_output=True)
            building.rename(home)
    return script
