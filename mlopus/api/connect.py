"""`connect`: from a URI, the environment and settings to an API. It opens nothing."""

from __future__ import annotations

import logging
import os
import os.path
import re
import sys
from typing import TYPE_CHECKING, Any

from mlopus.api.tracking_stores import installed, is_http, kind_of, local_folder, scheme_of, shown
from mlopus.api.wiring import Wiring, user_cache_home
from mlopus.repositories.mlflow_uris import resolved_uri
from mlopus.repositories.surroundings import Surroundings
from mlopus.settings import Environment, Settings

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi

_LOGGER = logging.getLogger("mlopus")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.\-]+:\d+(/.*)?")
_WAYS_IN = frozenset({"auth", "username", "password", "token"})


def connect(tracking_uri: str | os.PathLike[str] | None = None, **settings: Any) -> MlflowApi:
    """Give the API of a tracking store. Nothing is opened, created or asked before the first verb.

    `http(s)://…` is an MLflow server, over REST. A folder or a `file:` URI is an embedded store in
    that folder. What the `mlflow` package alone understands (`sqlite:///mlflow.db` and other databases,
    `databricks`, a folder `mlruns` of MLflow's) goes through that package: the extra `mlflow`. Any other
    scheme is served by the package that registers it, as `mlopus.api.extensions` describes. Without a
    URI it is MLFLOW_TRACKING_URI, else the embedded store in the user's data folder; with
    `offline_mode=True` and none of both it is the cache alone.

    The environment and MLflow's credentials file are read now, once; arguments win over both. Of the
    environment it is MLFLOW_TRACKING_URI, _USERNAME, _PASSWORD, _TOKEN, _INSECURE_TLS,
    _SERVER_CERT_PATH and _CLIENT_CERT_PATH, MLFLOW_REGISTRY_URI, MLFLOW_WORKSPACE,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES, _BACKOFF_FACTOR, _BACKOFF_JITTER and _TIMEOUT,
    MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER, MLFLOW_ALLOW_HTTP_REDIRECTS, MLOPUS_CACHE_DIR and
    MLOPUS_OFFLINE; of the system's, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, and for
    authorities to trust REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR. Empty
    ones count as unset. Plugins of MLflow that add headers to requests are asked for theirs.

    Args:
        tracking_uri: A URL or a path; `~` and relative paths are resolved now.
        **settings: The fields of `Settings`, by name.

    Returns:
        The API. Whether the server is there and lets it in, `api.ping()` tells.

    Raises:
        ValueError: The URI has a scheme that nobody serves, or that two packages claim, or one that
            takes the extra `mlflow`; it is `host:port` without a scheme; a setting or variable is out of
            its range; MLFLOW_TRACKING_AUTH or MLFLOW_TRACKING_AWS_SIGV4 asks for a way in that takes an
            `auth` here, and none is given; the system is Windows.
        TypeError: There is no setting of that name.

    Example:
        >>> import mlopus
        >>> mlopus.connect("http://127.0.0.1:5000", max_age_s=60)
        MlflowApi(http://127.0.0.1:5000)
        >>> mlopus.connect("localhost:5000")
        Traceback (most recent call last):
        ValueError: tracking URI 'localhost:5000' has no scheme: did you mean 'http://localhost:5000'?
    """
    from mlopus.api.client import MlflowApi

    return MlflowApi.wired(wiring_of(tracking_uri, **settings))


def wiring_of(tracking_uri: str | os.PathLike[str] | None = None, **settings: Any) -> Wiring:
    """What `connect` makes an API from.

    Raises:
        ValueError, TypeError: As `connect`.
    """
    if sys.platform == "win32":
        raise ValueError("mlopus runs on Linux and macOS; on Windows use it inside WSL")
    environment = Environment.read()
    chosen = Settings(**{**environment.defaults(), **settings})
    given = os.fspath(tracking_uri) if tracking_uri is not None else None
    uri = _resolved(given or environment.tracking_uri, offline=chosen.offline_mode)
    if uri is not None and is_http(uri) and not _WAYS_IN.intersection(settings):
        environment.refuse_other_ways_in()
    return Wiring(
        settings=chosen,
        uri=uri,
        surroundings=Surroundings.of(environment.variables),
        cache_home=user_cache_home() if chosen.cache_dir is None else None,
        mlruns=os.path.abspath("mlruns") if uri is not None and kind_of(uri) == "mlflow" else None,
    )


def _resolved(uri: str | None, *, offline: bool) -> str | None:
    if uri is None or not uri.strip():
        return None if offline else _users_own_store()
    uri = uri.strip()
    if uri.startswith(("http://", "https://")):
        reason = _why_no_address(uri)
        if reason is not None:
            told = re.sub(r"^(https?://).*@", r"\1", uri)  # a password may have any character
            raise ValueError(f"tracking URI {told!r} {reason}: give one like 'http://host:5000/prefix'")
        return uri
    if _HOST_AND_PORT.fullmatch(uri):
        raise ValueError(f"tracking URI {uri!r} has no scheme: did you mean 'http://{uri}'?")
    kind = kind_of(uri)
    if kind == "folder":
        return local_folder(uri)
    if kind == "mlflow":
        if not offline and not installed("mlflow"):
            raise ValueError(
                f"tracking URI {shown(uri)!r} is understood by the mlflow package only: install mlopus with "
                "its extra `mlflow` (pip install 'mlopus[mlflow]'), or run `mlflow server` on that store and "
                "connect to its http:// address"
            )
        return resolved_uri(uri, os.getcwd())
    from mlopus.api.extensions import factory_for

    factory_for(uri, scheme_of(uri))
    return uri


def _why_no_address(uri: str) -> str | None:
    """What is wrong with the address of a server; None if it can be one. What may be secret is not told."""
    from urllib.parse import urlsplit

    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        return "has white space in it"
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "names a host that cannot be one"
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if not has_port:
        return "names a port that is no number from 1 to 65535"
    if not parts.hostname:
        return "names no host"
    return (
        "has a query or a fragment, which would be sent to no one" if parts.query or parts.fragment else None
    )


def _users_own_store() -> str:
    import platformdirs

    folder = os.path.join(platformdirs.user_data_dir(), "mlopus", "tracking")
    _LOGGER.info("no tracking URI given: using the embedded store in %s", folder)
    return folder
