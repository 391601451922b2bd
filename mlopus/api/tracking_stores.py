"""From a tracking URI to the store that it names: whose it is, and how it is opened."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from mlopus.repositories.mlflow_uris import family_of, is_of_mlflow, origin_of, resolved_uri, without_secrets

if TYPE_CHECKING:
    from mlopus.api.wiring import Wiring
    from mlopus.plans.facts import TrackingFacts
    from mlopus.ports.tracking import Tracking

Kind: TypeAlias = Literal["server", "mlflow", "folder", "other"]
"""A server of MLflow, a store that only the mlflow package opens, a folder, or another package's."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(?=:)")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def kind_of(uri: str) -> Kind:
    """Whose a tracking URI is.

    Example:
        >>> [kind_of(uri) for uri in ("http://x", "sqlite:///mlflow.db", "./tracking", "acme://x")]
        ['server', 'mlflow', 'folder', 'other']
    """
    if is_http(uri):
        return "server"
    if is_of_mlflow(uri):
        return "mlflow"
    return "folder" if scheme_of(uri) in ("", "file") else "other"


def scheme_of(uri: str) -> str:
    """The scheme of a tracking URI in lower case, "" for a path."""
    matched = _SCHEME.match(uri)
    return "" if matched is None else matched.group(0).lower()


def is_http(uri: str) -> bool:
    """Whether a tracking URI is that of a server."""
    return uri.lower().startswith(("http://", "https://"))


def local_folder(uri: str) -> str:
    """The folder that a `file:` URI or a bare path names, absolute."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file:") else os.path.expanduser(uri)
    return os.path.abspath(path)


def is_elsewhere(uri: str) -> bool:
    """Whether a store is kept on another machine, which then may name no places of this disk."""
    kind = kind_of(uri)
    if kind == "mlflow":
        return family_of(uri) in ("databricks", "databricks-uc", "uc")
    return kind == "server" and urlsplit(uri).hostname not in _LOOPBACK_HOSTS


def store_folder(uri: str, mlruns: str | None) -> str | None:
    """The folder of this disk that a store keeps for itself, if it does."""
    kind = kind_of(uri)
    if kind == "mlflow":
        return None if is_elsewhere(uri) else mlruns
    return local_folder(uri) if kind == "folder" else None


def shown(uri: str) -> str:
    """A tracking URI without credentials."""
    return re.sub(r"^(https?://)[^/@]*@", r"\1", uri) if is_http(uri) else without_secrets(uri)


def installed(package: str) -> bool:
    """Whether a package could be imported; nothing is loaded, and a mere folder of that name is none."""
    from importlib.util import find_spec

    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def open_tracking(wiring: Wiring, uri: str) -> Tracking:
    """The store of a URI: constructed, not yet connected to anything."""
    match kind_of(uri):
        case "server":
            return _open_server(wiring, uri)
        case "mlflow":
            return _open_by_mlflow(wiring, uri)
        case "folder":
            return _open_folder(wiring, local_folder(uri))
        case "other":
            from mlopus.api.extensions import opened

            return opened(uri, scheme_of(uri), wiring.settings)


def offline_facts(wiring: Wiring, uri: str) -> TrackingFacts:
    """What a store is like, without opening it."""
    from mlopus.domain.origin import Origin
    from mlopus.plans.facts import TrackingFacts

    match kind_of(uri):
        case "server":
            return TrackingFacts(origin=Origin.of(uri, wiring.settings.workspace), requests_cost=True)
        case "mlflow":
            return TrackingFacts(origin=origin_of(uri), requests_cost=family_of(uri) != "sqlite")
        case "folder":
            return TrackingFacts(origin=Origin.of_folder(local_folder(uri)), requests_cost=False)
        case "other":
            return open_tracking(wiring, uri).facts


def _open_server(wiring: Wiring, uri: str) -> Tracking:
    from mlopus.repositories.mlflow import MlflowTracking

    settings = wiring.settings
    return MlflowTracking(
        uri=uri,
        registry_uri=settings.registry_uri,
        workspace=settings.workspace,
        headers=settings.headers,
        username=settings.username,
        password=settings.password,
        token=settings.token,
        auth=settings.auth,
        verify_tls=settings.verify_tls,
        ca_cert=settings.ca_cert,
        client_cert=settings.client_cert,
        timeout_s=settings.timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        max_retries=settings.max_retries,
        backoff_s=settings.backoff_s,
        retry_for_s=settings.retry_for_s,
        text_codec=settings.text_codec,
        surroundings=wiring.surroundings,
    )


def _open_by_mlflow(wiring: Wiring, uri: str) -> Tracking:
    from mlopus.repositories.mlflow_client import MlflowClientTracking

    settings = wiring.settings
    return MlflowClientTracking(
        uri=uri,
        registry_uri=_absolute(settings.registry_uri, wiring.mlruns),
        artifact_root=wiring.mlruns,
        connect_timeout_s=settings.connect_timeout_s,
        max_retries=settings.max_retries,
        backoff_s=settings.backoff_s,
        retry_for_s=settings.retry_for_s,
        text_codec=settings.text_codec,
    )


def _absolute(registry_uri: str | None, mlruns: str | None) -> str | None:
    """The address of a registry, its file relative to the folder where `connect` was called."""
    if registry_uri is None or mlruns is None:
        return registry_uri
    return resolved_uri(registry_uri, os.path.dirname(mlruns))


def _open_folder(wiring: Wiring, folder: str) -> Tracking:
    from mlopus.repositories.embedded import EmbeddedTracking
    from mlopus.repositories.embedded.foreign import is_mlruns

    if is_mlruns(folder) and installed("mlflow"):
        from pathlib import Path

        return _open_by_mlflow(wiring, Path(folder).as_uri())
    return EmbeddedTracking(folder, text_codec=wiring.settings.text_codec)
