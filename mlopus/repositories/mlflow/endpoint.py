"""A server as a value: where it is, and what is told to it and to nobody else."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import attrs
from immutabledict import immutabledict

from mlopus.errors import InvalidValue
from mlopus.result import Failure, Result, Success

_PORTS: Final[Mapping[str, int]] = immutabledict({"http": 80, "https": 443})
_SHORTEST_SECRET: Final = 6
_NOTHING: Final[Mapping[str, str]] = immutabledict()

WebOrigin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""


AuthCallable: TypeAlias = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""(method, URL, headers) to the headers to add: asked anew for every request to the server's origin."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """A server's address, the workspace, and what lets requests in.

    A user and password in the address count where none are given apart; a user with a password
    goes before a token, as in MLflow's own client.
    """

    uri: str = attrs.field(repr=lambda uri: repr(without_user(uri)))
    workspace: str | None = None
    headers: immutabledict[str, str] = attrs.field(default=immutabledict(), repr=False)
    username: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    auth: AuthCallable | None = attrs.field(default=None, repr=False)

    @property
    def place(self) -> str:
        """The address as errors name it."""
        return without_user(self.uri).rstrip("/")

    @property
    def origin(self) -> WebOrigin | None:
        """Who gets the credentials."""
        return origin_of(self.uri)

    def url_of(self, target: str, host: str | None = None) -> str:
        """The URL of a target; on another host it has the same scheme and the same prefix."""
        parts = urlsplit(self.place)
        prefix = urlunsplit((parts.scheme, host or parts.netloc, parts.path.rstrip("/"), "", ""))
        return f"{prefix}{target}"

    def own_headers(
        self, method: str, url: str, headers: Mapping[str, str], added: Mapping[str, str] = _NOTHING
    ) -> Result[immutabledict[str, str], InvalidValue]:
        """The headers for this server alone, those of the `auth` callable among them.

        Args:
            method: Of the request.
            url: Of the request.
            headers: What is sent whoever gets it.
            added: What plugins add; a value of a header that is sent anyway comes after that.

        Fails with:
            InvalidValue: A header that cannot be sent; the error does not hold its value.
        """
        own = {name: _joined(headers, name, value) for name, value in added.items()}
        own = with_headers(own, self.headers)
        if self.workspace is not None:
            own = with_headers(own, {"X-MLFLOW-WORKSPACE": self.workspace})
        if (authorization := self._authorization()) is not None:
            own = with_headers(own, {"Authorization": authorization})
        if self.auth is not None:
            own = with_headers(own, self.auth(method, url, immutabledict(with_headers(headers, own))))
        for name, value in own.items():
            if not (_is_sendable(name) and _is_sendable(value)):
                return Failure(
                    InvalidValue(kind="header", key=name, reason="has characters that cannot be sent")
                )
        return Success(immutabledict(own))

    def without_secrets(self, body: bytes) -> bytes:
        """Foreign bytes, with everything that was told to this server alone left out."""
        for secret in self._secrets():
            body = body.replace(secret.encode("utf-8", "surrogatepass"), b"***")
        return body

    def _authorization(self) -> str | None:
        user, password = self._user()
        if user is not None and password is not None:
            return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        return f"Bearer {self.token}" if self.token else None

    def _user(self) -> tuple[str | None, str | None]:
        if self.username is not None or self.password is not None:
            return self.username, self.password
        parts = urlsplit(self.uri)
        return _unquoted(parts.username), _unquoted(parts.password)

    def _secrets(self) -> tuple[str, ...]:
        authorization = (self._authorization() or "").rpartition(" ")[2]
        held = (*self.headers.values(), self._user()[1], self.token, authorization)
        return tuple(secret for secret in held if secret and len(secret) >= _SHORTEST_SECRET)


def origin_of(url: str) -> WebOrigin | None:
    """The origin of a URL; None for what is no address of HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return None if port is None or not parts.hostname else (parts.scheme, parts.hostname, port)


def place_of(url: str) -> str:
    """A URL as errors name it: scheme and host, without what may be secret in the rest."""
    parts = urlsplit(without_user(url))
    return f"{parts.scheme}://{parts.netloc}"


def without_user(url: str) -> str:
    """A URL without the user and password in it."""
    parts: SplitResult = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_headers(headers: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Headers with others instead of those of the same name, whatever its case."""
    replaced = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(others)


def _joined(headers: Mapping[str, str], name: str, value: str) -> str:
    before = [held for other, held in headers.items() if other.lower() == name.lower()]
    return " ".join((*before, value))


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()
