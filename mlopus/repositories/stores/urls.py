"""URLs of artifacts: those that are paths of this disk, and how the others are shown."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from mlopus.domain.paths import scheme_of
from mlopus.errors import IllegalPath
from mlopus.result import Failure, Result, Success

_DOUBLE_SLASH = re.compile(r"^file://(?P<host>[^/]*)", re.IGNORECASE)


def local_path_of(url: str) -> Result[str, IllegalPath]:
    """The path that a `file:` URL or a bare path names; escapes count in URLs only.

    Example:
        >>> local_path_of("file:///data/my%20run").unwrap(), local_path_of("/data/50%25").unwrap()
        ('/data/my run', '/data/50%25')
    """
    if scheme_of(url) != "file" or not url.lower().startswith("file:"):
        return Success(url)
    host = _DOUBLE_SLASH.match(url)
    if host is not None and host["host"] not in ("", "localhost"):
        return Failure(IllegalPath(path=url, reason="names another host, and file: is for this disk"))
    return Success(unquote(urlsplit(url).path))


def shown(url: str) -> str:
    """The URL without what may be secret: user, password and query.

    Example:
        >>> shown("sftp://ann:secret@host/run?sig=abc")
        'sftp://host/run'
    """
    if "::" in url or scheme_of(url) == "file":
        return url.partition("?")[0]
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    is_secret = ":" in user or parts.scheme in ("http", "https")  # elsewhere a name, as of an Azure container
    return urlunsplit(parts._replace(netloc=host if is_secret else parts.netloc, query="", fragment=""))
