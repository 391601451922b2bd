"""What a loopback server is asked, and what it does in return, as values."""

from __future__ import annotations

import json
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import attrs
from immutabledict import immutabledict

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class SeenRequest:
    """A request as it arrived: header names in lower case, the body whole."""

    method: str
    target: str
    headers: immutabledict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Pairs:
        """The query's names and values, in their order."""
        return tuple(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def call(self) -> str:
        """Method and path in one text, such as `GET /version`."""
        return f"{self.method} {self.path}"

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


@attrs.frozen(kw_only=True)
class Answer:
    """What a server does with one request, the ways of failing included."""

    status: int = 200
    headers: Pairs = ()
    body: bytes = b""

    delay_s: float = 0.0
    """How long to wait before the reply's first byte."""

    stall_after: int = 0
    stall_s: float = 0.0
    """How long to wait once `stall_after` bytes of the body are out."""

    cut_after: int | None = None
    """Close the connection after so many bytes of a body that was announced whole."""

    hang_up: bool = False
    """Close the connection without any reply."""

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200) -> Self:
        """Answer with a JSON body."""
        headers = (("Content-Type", "application/json"),)
        return cls(status=status, headers=headers, body=json.dumps(value).encode())

    @classmethod
    def of_html(cls, text: str = "<!doctype html><title>Sign in</title>", *, status: int = 200) -> Self:
        """Answer as a login page or a gateway does, where JSON was expected."""
        headers = (("Content-Type", "text/html; charset=utf-8"),)
        return cls(status=status, headers=headers, body=text.encode())
