"""Addresses of stores that only the `mlflow` package opens. No I/O, and cheap: `connect` asks."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from mlopus.domain.origin import Origin

DATABASES: Final = frozenset({"sqlite", "postgresql", "mysql", "mssql"})
MANAGED: Final = frozenset({"databricks", "databricks-uc", "uc"})

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_SECRET: Final = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
_FILE_OF_SQLITE: Final = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]+)(\?.*)?", re.DOTALL)


def family_of(uri: str) -> str:
    """The scheme of an address without its driver, in lower case.

    Example:
        >>> family_of("postgresql+psycopg2://host/db"), family_of("databricks")
        ('postgresql', 'databricks')
    """
    matched = _SCHEME.match(uri)
    return "" if matched is None else matched.group(0).lower().partition("+")[0]


def is_of_mlflow(uri: str) -> bool:
    """Whether an address is one that the `mlflow` package alone understands."""
    family = family_of(uri)
    if family in MANAGED:
        return uri == family or uri[len(family) :].startswith(":")
    return family in DATABASES and ":" in uri


def resolved_uri(uri: str, folder: str) -> str:
    """The address with a relative file made absolute, so that it means the same from any folder.

    Example:
        >>> resolved_uri("sqlite:///mlflow.db", "/home/ada")
        'sqlite:////home/ada/mlflow.db'
    """
    matched = _FILE_OF_SQLITE.fullmatch(uri)
    if matched is None or matched[2] == ":memory:" or matched[2].startswith("file:"):
        return uri
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(matched[2])))
    return f"{matched[1]}{path}{matched[3] or ''}"


def database_file(uri: str) -> str | None:
    """The file of a SQLite address; None for any other, and for a database in memory."""
    matched = _FILE_OF_SQLITE.fullmatch(uri)
    if matched is None or matched[2] == ":memory:" or matched[2].startswith("file:"):
        return None
    return matched[2]


def without_secrets(uri: str) -> str:
    """The address without user, password, and what its options keep secret.

    Example:
        >>> without_secrets("postgresql://ada:secret@host/db?sslpassword=x&sslmode=require")
        'postgresql://host/db?sslmode=require'
    """
    if "://" not in uri:
        return uri
    address, mark, query = uri.partition("?")
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    options = [(name, text) for name, text in parse_qsl(query) if not _SECRET.search(name)]
    kept = f"{mark}{urlencode(options, quote_via=quote)}" if options else ""
    return f"{scheme}{slashes}{host}{slash}{path}{kept}"


def folder_of(uri: str) -> str | None:
    """The folder of a `file:` address or a bare absolute path; None for any other."""
    if uri.startswith("file:"):
        return unquote(urlsplit(uri).path)
    return uri if os.path.isabs(uri) else None


def origin_of(uri: str) -> Origin:
    """The origin of a store that MLflow opens; a folder's is that of an embedded store there."""
    from mlopus.domain.origin import Origin  # noqa: PLC0415 (start-up counts)

    folder = folder_of(uri)
    return Origin(uri=without_secrets(uri)) if folder is None else Origin.of_folder(folder)
