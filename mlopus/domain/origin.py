"""Where metadata comes from: the key by which one cache keeps several servers apart."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlsplit, urlunsplit

import attrs


@attrs.frozen(kw_only=True)
class Origin:
    """A tracking store: its URI without credentials, and the workspace inside it.

    Example:
        >>> Origin.of("http://user:secret@Example.com:5000/").uri
        'http://example.com:5000'
        >>> Origin.of("acme://user:secret@host/place").uri
        'acme://host/place'
    """

    uri: str
    workspace: str | None = None

    @classmethod
    def of(cls, uri: str, workspace: str | None = None) -> Origin:
        """The origin of a tracking URI; two spellings of one server give one origin."""
        parts = urlsplit(uri)
        if parts.scheme in ("http", "https"):
            host = parts.netloc.rpartition("@")[2].lower()
            uri = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        elif "@" in parts.netloc:
            uri = uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)
        return cls(uri=uri, workspace=workspace)

    @classmethod
    def of_folder(cls, folder: str) -> Origin:
        """The origin of an embedded store in a folder, given by its absolute path."""
        return cls(uri=f"file://{quote(folder)}")

    @property
    def key(self) -> str:
        """A name for files and rows: readable, and different for different origins."""
        digest = hashlib.sha256(f"{self.uri}\n{self.workspace or ''}".encode()).hexdigest()
        readable = re.sub(r"[^A-Za-z0-9.\-]+", "-", self.uri.partition("://")[2] or self.uri).strip("-")
        return f"{readable[-40:].strip('-.') or 'origin'}-{digest[:12]}"

    def __str__(self) -> str:
        return self.uri if self.workspace is None else f"{self.uri} (workspace {self.workspace})"
