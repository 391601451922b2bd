"""What an object store is opened with: a setting first, then the environment, then what the cloud gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import attrs
from immutabledict import immutabledict

from mlopus.errors import InvalidValue, MlopusError
from mlopus.result import Failure, Result, Success

TRUE: Final = ("1", "true", "yes", "on")


@attrs.frozen(kw_only=True)
class Patience:
    """How long answers are waited for, and how often requests are repeated."""

    timeout_s: float = 120.0
    connect_timeout_s: float = 5.0
    max_retries: int = 5
    backoff_s: float = 0.5
    retry_for_s: float = 60.0

    def client(self) -> dict[str, Any]:
        """As obstore's client takes it."""
        return {
            "timeout": timedelta(seconds=self.timeout_s),
            "connect_timeout": timedelta(seconds=self.connect_timeout_s),
        }

    def retry(self) -> dict[str, Any]:
        """As obstore's retries take it."""
        return {
            "max_retries": self.max_retries,
            "retry_timeout": timedelta(seconds=self.retry_for_s),
            "backoff": {"init_backoff": timedelta(seconds=self.backoff_s), "base": 2},
        }


@attrs.frozen(kw_only=True)
class Opening:
    """What one bucket is opened with.

    Attributes:
        config: obstore's settings of the store.
        client: obstore's settings of its HTTP client.
        credentials: Called for credentials by the store, instead of looking for some itself.
        extras: Attributes and tags of every object that is written.
    """

    config: Mapping[str, Any] = immutabledict()
    client: Mapping[str, Any] = immutabledict()
    credentials: Callable[[], Mapping[str, Any]] | None = attrs.field(default=None, repr=False)
    extras: Mapping[str, Any] = immutabledict()


@attrs.frozen
class Static:
    """Credentials that were given and do not end; a picklable function of nothing."""

    credentials: Mapping[str, Any] = attrs.field(repr=False)

    def __call__(self) -> Mapping[str, Any]:
        """The credentials."""
        return {**self.credentials, "expires_at": None}


def plain_options(
    options: Mapping[str, Any], aliases: Mapping[str, str], nested: tuple[str, ...]
) -> Result[dict[str, Any], MlopusError]:
    """Options under the names that obstore has for them, those of inner mappings too.

    Args:
        options: As they were given; None counts as not given.
        aliases: Other names for the same, as of the filesystems of fsspec.
        nested: Names of mappings whose content counts as options.
    """
    plain: dict[str, Any] = {}
    for name, value in options.items():
        if name in nested:
            if not isinstance(value, Mapping):
                return Failure(_no_option(name, "is not a mapping"))
            inner = plain_options(cast("Mapping[str, Any]", value), aliases, ())
            if isinstance(inner, Failure):
                return inner
            plain |= inner.unwrap()
        elif value is not None:
            plain[aliases.get(name, name)] = value
    return Success(plain)


def client_of(options: dict[str, Any], patience: Patience) -> Result[dict[str, Any], MlopusError]:
    """The settings of the HTTP client, taken out of options: `verify`, and `client_options` as they are."""
    client = patience.client()
    verify = options.pop("verify", True)
    if verify is False:
        client["allow_invalid_certificates"] = True
    elif verify is not True:
        try:
            with open(str(verify), "rb") as file:
                client["root_certificate"] = file.read()
        except OSError as error:
            return Failure(_no_option("verify", f"cannot be read: {error.strerror}"))
    given = options.pop("client_options", {})
    if not isinstance(given, Mapping):
        return Failure(_no_option("client_options", "is not a mapping"))
    client |= cast("Mapping[str, Any]", given)
    return Success(client)


def with_endpoint(client: dict[str, Any], endpoint: str | None) -> dict[str, Any]:
    """Let the client speak unencrypted to an endpoint that is given so."""
    return {**client, "allow_http": True} if endpoint and endpoint.startswith("http://") else client


def is_true(text: str | None) -> bool:
    """Whether a variable says so."""
    return (text or "").strip().lower() in TRUE


def _no_option(name: str, reason: str) -> InvalidValue:
    return InvalidValue(kind="storage option", key=name, reason=reason)
