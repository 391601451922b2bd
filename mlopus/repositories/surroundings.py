"""What a process's environment says about reaching servers, as a value made once, at `connect`."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs
from immutabledict import immutabledict

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CA_FILES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_FLAGS: Final = ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "MLFLOW_ALLOW_HTTP_REDIRECTS")
_JITTER: Final = "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER"


@attrs.frozen(kw_only=True)
class Surroundings:
    """How this machine reaches servers, where no setting says otherwise.

    Attributes:
        proxies: URL of the proxy for each scheme, `all` for the others; a user in it is told to it.
        no_proxy: Hosts that are reached directly, as NO_PROXY lists them.
        ca_file: PEM file of the authorities to trust; None is certifi's.
        ca_dir: Folder of such files, by hash.
        respects_retry_after: Whether a server that says when to come again is heard.
        follows_redirects: Whether redirects within a server are followed.
        jitter_s: The most that is added at random to each pause; None is the first pause.
    """

    proxies: immutabledict[str, str] = attrs.field(default=immutabledict(), repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_file: str | None = None
    ca_dir: str | None = None
    respects_retry_after: bool = True
    follows_redirects: bool = True
    jitter_s: float | None = None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Surroundings:
        """What variables say: lower-case names of proxies win, as everywhere; empty ones count as unset.

        In a CGI program HTTP_PROXY may come from a request's header, so it is left out there.

        Raises:
            ValueError: A variable has a text of no meaning.
        """
        told = {name: variables.get(name) or variables.get(name.upper()) for name in _PROXIES}
        if "REQUEST_METHOD" in variables:
            told["http_proxy"] = variables.get("http_proxy")
        proxies = {name.removesuffix("_proxy"): url for name, url in told.items() if url}
        listed = proxies.pop("no", "")
        respects_retry_after, follows_redirects = (_flag(variables, name) for name in _FLAGS)
        return cls(
            proxies=immutabledict({scheme: _with_scheme(url) for scheme, url in proxies.items()}),
            no_proxy=tuple(entry for part in listed.split(",") if (entry := part.strip().lower())),
            ca_file=next(
                (os.path.abspath(variables[name]) for name in _CA_FILES if variables.get(name)), None
            ),
            ca_dir=os.path.abspath(variables["SSL_CERT_DIR"]) if variables.get("SSL_CERT_DIR") else None,
            respects_retry_after=respects_retry_after,
            follows_redirects=follows_redirects,
            jitter_s=_seconds(variables, _JITTER),
        )

    def proxy_for(self, url: str) -> str | None:
        """The URL of the proxy that a request goes through; None is the direct way.

        Example:
            >>> here = Surroundings.of({"HTTP_PROXY": "proxy:3128", "NO_PROXY": ".lan,10.0.0.0/8"})
            >>> here.proxy_for("http://example.org/x"), here.proxy_for("http://mlflow.lan:5000")
            ('http://proxy:3128', None)
        """
        parts = urlsplit(url)
        proxy = self.proxies.get(parts.scheme) or self.proxies.get("all")
        if proxy is None or not parts.hostname:
            return None
        host = parts.hostname.rstrip(".")
        is_direct = any(_names(entry, host, parts.port) for entry in self.no_proxy)
        return None if is_direct else proxy


def _names(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY means a host: all, itself and what is below it, or a network."""
    if entry == "*" or entry.strip("[]") == host:
        return True
    if "/" in entry:
        return _is_in(entry, host)
    name, colon, only_port = entry.rpartition(":")
    if colon and only_port.isdigit() and ":" not in name.strip("[]"):
        return int(only_port) == port and _names(name, host, port)
    return host == entry.lstrip("*.") or host.endswith("." + entry.lstrip("*."))


def _is_in(network: str, host: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415 (few lists have networks, and start-up counts)

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _flag(variables: Mapping[str, str], name: str) -> bool:
    text = variables.get(name, "").strip().lower() or "true"
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"{name} is {variables[name]!r}, and must be true or false")
    return text in _TRUE


def _seconds(variables: Mapping[str, str], name: str) -> float | None:
    text = variables.get(name)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{name} is {text!r}, and must be a number of seconds, 0 or more")
    return seconds
