"""Requests and replies of HTTP as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import quote, urlencode

import attrs
from immutabledict import immutabledict

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Patience: TypeAlias = Literal["normal", "short"]
"""How long an answer may take: as the settings say, or a few seconds for what can be done without."""

API = "/api/2.0/mlflow"
API_3 = "/api/3.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@attrs.frozen
class Named:
    """What an error about a request is about, as errors name it."""

    kind: str
    key: str


@attrs.frozen(kw_only=True)
class HttpRequest:
    """A request to a server, without the server.

    Attributes:
        name: The operation, for messages and logs; it holds nothing of the arguments.
        method: As HTTP has it.
        path: Percent-encoded, under the server's URI.
        query: Names and values, as they are.
        body: A JSON text.
        replay_safe: Sending it again, after it may have been carried out, changes nothing more.
        missing: What is not there, if the server says that something is not.
        taken: What exists already, if the server says that something does.
        is_lookup: It asks by an id alone, so an id that the server cannot read is not there either.
        is_optional: Not every MLflow server has this route.
        since: The version of MLflow that brought this route, if not every server has it.
        patience: How long the answer may take.
    """

    name: str
    method: Method
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    replay_safe: bool
    missing: Named | None = None
    taken: Named | None = None
    is_lookup: bool = False
    is_optional: bool = False
    since: str | None = None
    patience: Patience = "normal"

    @property
    def target(self) -> str:
        """Path and query, percent-encoded."""
        query = urlencode(self.query, quote_via=quote, errors="surrogatepass")
        return f"{self.path}?{query}" if query else self.path


@attrs.frozen(kw_only=True)
class HttpReply:
    """A whole reply; header names are in lower case."""

    status: int
    headers: immutabledict[str, str] = immutabledict()
    body: bytes = b""


@attrs.frozen
class WrongShape:
    """Why a reply's JSON cannot be what the operation answers."""

    reason: str


def json_text(value: Mapping[str, object]) -> str:
    """The body of a request: what is None is left out. A number that is not finite is a bug here."""
    present = {name: member for name, member in value.items() if member is not None}
    return json.dumps(present, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def segment(text: str) -> str:
    """One segment of a path, percent-encoded."""
    return quote(text, safe="", errors="surrogatepass")


def segments(path: str) -> str:
    """A path of several segments, each percent-encoded."""
    return "/".join(segment(part) for part in path.split("/"))
