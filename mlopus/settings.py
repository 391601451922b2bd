"""Settings: everything an API may be told, frozen. The environment is read here, for `connect` only."""

from __future__ import annotations

import os
import os.path
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
from immutabledict import immutabledict

if TYPE_CHECKING:
    from mlopus.execution.progress import Progress

AuthCallable: TypeAlias = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""(method, URL, headers) to the headers to add; asked before every request to the tracking origin."""


def _at_least_zero(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{attribute.name} is {value!r}, and must be 0 or more")


def _at_least_one(_: object, attribute: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{attribute.name} is {value!r}, and must be 1 or more")


def _one_of(*choices: str) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            raise ValueError(f"{attribute.name} is {value!r}, and must be one of {', '.join(choices)}")

    return check


def _callable_or_one_of(*choices: str) -> Callable[[object, attrs.Attribute[Any], object], None]:
    is_one = _one_of(*choices)

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not callable(value):
            is_one(instance, attribute, value)

    return check


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.path.expanduser(os.fspath(path)))


def _frozen(mapping: Mapping[str, Any] | None) -> immutabledict[str, Any]:
    return immutabledict(mapping or {})


@attrs.frozen(kw_only=True)
class Settings:
    """How an API behaves. `connect` takes each as a keyword; `api.evolve` gives a copy with others.

    Nothing is opened, made or asked by it. Passwords, tokens and headers are left out of its `repr`.

    Attributes:
        cache_dir: Root of the local cache, made absolute now; None is `mlopus` in the user's cache
            folder. Several servers may share it.
        offline_mode: Never open a socket to the tracking server; read from the cache.
        max_age_s: Use cached metadata younger than this without asking, 0 or more; None always asks,
            infinity asks only on a miss.
        journal: With `offline_mode`, accept writes and queue them in `cache_dir` until `flush` sends them;
            online it changes nothing.
        pull_artifacts_in_offline_mode: Offline, still fetch artifacts of cached metadata from their
            stores, but never through the tracking server's proxy.
        always_pull_artifacts: On a cache hit, first ask the store whether it is current.
        cache_local_artifacts: Go through the cache also where the store is the local disk.
        cache_metadata_on_read: "get" caches single entities as they are read, "all" also search
            results, "none" nothing.
        temp_artifacts_dir: Where callbacks write before publishing; None is `temp` in `cache_dir`.
        allow_local_artifacts: Open `file:` URLs and bare paths that a server names; None allows them
            for embedded stores and servers on this machine.
        registry_uri: Another server for models and versions.
        workspace: Workspace of the server, for those that have them.
        headers: Extra headers of each request to the tracking server.
        username: With `password`: basic authentication.
        password: See `username`.
        token: Bearer token; a username with a password wins over it.
        auth: Called before each request with method, URL and headers; answers headers to add.
        verify_tls: Whether the server's certificate is checked.
        ca_cert: File of accepted certificate authorities.
        client_cert: File with the client's certificate and key.
        timeout_s: Longest wait for one answer, 0 or more.
        connect_timeout_s: Longest wait for a connection, 0 or more; with `max_age_s`, also for a server's
            answer, where the cache has one.
        max_retries: How often a request that may be repeated is repeated, 0 or more.
        backoff_s: First pause between repeats, 0 or more; it doubles, up to 30 s.
        retry_for_s: After this long no request is repeated any more, 0 or more.
        storage_options: By URL scheme, as "s3": credentials, endpoint and what else that artifact store
            takes; they win over the environment. README names those of object stores, others are those
            of fsspec's file system.
        scheme_map: Regular expressions for a whole URL scheme to the scheme used instead.
        grace_s: For how many seconds after their last use cached artifacts stay, whatever `gc` is asked
            for, 0 or more; below 60 a path may go while another process has just been given it.
        concurrency: Files moved at once, 1 or more; None is 4 on this disk, 16 through the server's
            proxy, 8 elsewhere.
        progress: "auto" shows a bar for 8 MiB and more on terminals and in notebooks, "on" always,
            "off" never. A function is called with `mlopus.execution.progress.Progress` values as a
            plan is executed: at its beginning, at most ten times a second, and at its end; one at a
            time, on any thread. What it raises ends the transfer, and reaches the caller.
        text_codec: How nested values become text: "plain", or "mlopus-1" as mlOpus 1.x did.

    Raises:
        ValueError: A value is out of its range, or none of the named ones.

    Example:
        >>> import mlopus
        >>> settings = mlopus.Settings(max_age_s=60, token="secret")
        >>> settings.max_age_s, settings.offline_mode, "secret" in repr(settings)
        (60, False, False)
        >>> mlopus.Settings(progress="loud")
        Traceback (most recent call last):
        ValueError: progress is 'loud', and must be one of auto, on, off
    """

    cache_dir: str | None = attrs.field(default=None, converter=_absolute)
    offline_mode: bool = False
    max_age_s: float | None = attrs.field(default=None, validator=_at_least_zero)
    journal: bool = False
    pull_artifacts_in_offline_mode: bool = False
    always_pull_artifacts: bool = False
    cache_local_artifacts: bool = False
    cache_metadata_on_read: Literal["get", "all", "none"] = attrs.field(
        default="get", validator=_one_of("get", "all", "none")
    )
    temp_artifacts_dir: str | None = attrs.field(default=None, converter=_absolute)
    allow_local_artifacts: bool | None = None
    registry_uri: str | None = None
    workspace: str | None = None
    headers: immutabledict[str, str] = attrs.field(factory=immutabledict, converter=_frozen, repr=False)
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    auth: AuthCallable | None = attrs.field(default=None, repr=False)
    verify_tls: bool = True
    ca_cert: str | None = attrs.field(default=None, converter=_absolute)
    client_cert: str | None = attrs.field(default=None, converter=_absolute)
    timeout_s: float = attrs.field(default=120.0, validator=_at_least_zero)
    connect_timeout_s: float = attrs.field(default=5.0, validator=_at_least_zero)
    max_retries: int = attrs.field(default=5, validator=_at_least_zero)
    backoff_s: float = attrs.field(default=0.5, validator=_at_least_zero)
    retry_for_s: float = attrs.field(default=60.0, validator=_at_least_zero)
    storage_options: immutabledict[str, Any] = attrs.field(
        factory=immutabledict, converter=_frozen, repr=False
    )
    scheme_map: immutabledict[str, str] = attrs.field(factory=immutabledict, converter=_frozen)
    grace_s: float = attrs.field(default=24 * 3600.0, validator=_at_least_zero)
    concurrency: int | None = attrs.field(default=None, validator=_at_least_one)
    progress: Literal["auto", "on", "off"] | Callable[[Progress], object] = attrs.field(
        default="auto", validator=_callable_or_one_of("auto", "on", "off")
    )
    text_codec: Literal["plain", "mlopus-1"] = attrs.field(
        default="plain", validator=_one_of("plain", "mlopus-1")
    )

    @property
    def queues_writes(self) -> bool:
        """Whether writes wait on the journal.

        Example:
            >>> Settings(journal=True).queues_writes, Settings(journal=True, offline_mode=True).queues_writes
            (False, True)
        """
        return self.journal and self.offline_mode


@attrs.frozen(kw_only=True)
class Environment:
    """What `connect` takes from outside: variables and MLflow's credentials file, empty ones unset."""

    variables: immutabledict[str, str]
    credentials: immutabledict[str, str]

    @classmethod
    def read(cls) -> Environment:
        """The environment of this process as it is now."""
        variables = immutabledict({name: text for name, text in os.environ.items() if text})
        return cls(variables=variables, credentials=_credentials_file())

    @property
    def tracking_uri(self) -> str | None:
        """MLFLOW_TRACKING_URI."""
        return self.variables.get("MLFLOW_TRACKING_URI")

    def defaults(self) -> dict[str, Any]:
        """Settings that the environment gives, by name; explicit arguments win over them."""
        found = {
            name: self.variables[variable] for name, variable in _TEXTS.items() if variable in self.variables
        }
        for name, key in (("username", "mlflow_tracking_username"), ("password", "mlflow_tracking_password")):
            if name not in found and key in self.credentials:
                found[name] = self.credentials[key]
        numbers = {
            name: self._number(variable) for name, variable in _NUMBERS.items() if variable in self.variables
        }
        flags: dict[str, bool] = {}
        if "MLOPUS_OFFLINE" in self.variables:
            flags["offline_mode"] = self._flag("MLOPUS_OFFLINE")
        if "MLFLOW_TRACKING_INSECURE_TLS" in self.variables:
            flags["verify_tls"] = not self._flag("MLFLOW_TRACKING_INSECURE_TLS")
            if not flags["verify_tls"] and "ca_cert" in found:
                raise ValueError(
                    "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other"
                )
        return {**found, **numbers, **flags}

    def refuse_other_ways_in(self) -> None:
        """Say what to do instead where MLflow would take a plugin or a signature to be let in.

        Raises:
            ValueError: One of both is asked for.
        """
        if plugin := self.variables.get("MLFLOW_TRACKING_AUTH"):
            raise ValueError(
                f"MLFLOW_TRACKING_AUTH names the plugin {plugin!r}, which is made for the requests package: "
                "give connect(auth=…), a function of method, URL and headers that gives the headers to add"
            )
        if "MLFLOW_TRACKING_AWS_SIGV4" in self.variables and self._flag("MLFLOW_TRACKING_AWS_SIGV4"):
            raise ValueError(
                "MLFLOW_TRACKING_AWS_SIGV4 asks for signed requests: give connect(auth=…), a function of "
                "method, URL and headers that gives the headers to add, such as a signer of botocore's"
            )

    def _flag(self, variable: str) -> bool:
        text = self.variables[variable].strip().lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"{variable} is {self.variables[variable]!r}, and must be true or false")

    def _number(self, variable: str) -> float | int:
        text = self.variables[variable]
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{variable} is {text!r}, and must be a number") from None
        return int(number) if number.is_integer() else number


_TEXTS = {
    "cache_dir": "MLOPUS_CACHE_DIR",
    "registry_uri": "MLFLOW_REGISTRY_URI",
    "workspace": "MLFLOW_WORKSPACE",
    "username": "MLFLOW_TRACKING_USERNAME",
    "password": "MLFLOW_TRACKING_PASSWORD",
    "token": "MLFLOW_TRACKING_TOKEN",
    "ca_cert": "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "client_cert": "MLFLOW_TRACKING_CLIENT_CERT_PATH",
}
_NUMBERS = {
    "max_retries": "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "backoff_s": "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
    "timeout_s": "MLFLOW_HTTP_REQUEST_TIMEOUT",
}


def _credentials_file() -> immutabledict[str, str]:
    path = os.path.join(os.path.expanduser("~"), ".mlflow", "credentials")
    if not os.path.isfile(path):
        return immutabledict()
    import configparser  # noqa: PLC0415 (few users have the file, and start-up counts)

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as exc:
        raise ValueError(f"MLflow's credentials file {path} cannot be read: {exc}") from exc
    if not parser.has_section("mlflow"):
        return immutabledict()
    return immutabledict({key: text for key, text in parser.items("mlflow") if text})
