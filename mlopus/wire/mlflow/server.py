"""What a server says of itself."""

from __future__ import annotations

import re

from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import API_3, HttpRequest, WrongShape
from mlopus.wire.mlflow.shapes import members

_VERSION = re.compile(r"\d+\.\d+[\w.\-+]*")


def server_info_request() -> HttpRequest:
    """Ask for the server's abilities; servers before MLflow 3 have no such route."""
    return HttpRequest(
        name="server-info",
        method="GET",
        path=f"{API_3}/server-info",
        replay_safe=True,
        is_optional=True,
        patience="short",
    )


def abilities_from_reply(reply: object) -> Result[frozenset[str], WrongShape]:
    """The names of what is on."""
    return Success(frozenset(name for name, is_on in members(reply).items() if is_on is True))


def version_request() -> HttpRequest:
    """Ask for the version, which comes as bare text."""
    return HttpRequest(
        name="version", method="GET", path="/version", replay_safe=True, is_optional=True, patience="short"
    )


def version_from_body(body: bytes) -> Result[str, WrongShape]:
    """The version."""
    words = body[:100].decode("utf-8", "replace").strip()
    return Success(words) if _VERSION.fullmatch(words) else Failure(WrongShape("it is no version number"))


def completes_cut_bodies(server: str | None) -> bool | None:
    """Whether a web server, by its `Server` header, hands on a body that broke off as if it were whole.

    gunicorn does with a body whose length was announced, and MLflow stores what came; one that comes in
    chunks it refuses. MLflow 2 runs in it, MLflow 3 with `--gunicorn-opts`. None: the header does not tell,
    as a gateway puts its own name there.
    """
    name = (server or "").lower()
    if name.startswith("gunicorn"):
        return True
    return False if name.startswith(("uvicorn", "waitress")) else None


def is_before_mlflow_3(body: bytes) -> bool:
    """Whether a server says a version of MLflow 1 or 2, as it was asked for its version."""
    return version_from_body(body).map(lambda version: version.startswith(("1.", "2."))).value_or(False)
