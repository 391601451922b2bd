"""Relative paths of artifacts, and URLs of artifact roots: checked once, joined in one way."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable

from mlopus.errors import IllegalPath
from mlopus.result import Failure, Result, Success

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]+:")
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])(?:\..*)?", re.IGNORECASE | re.DOTALL)
"""Names that are devices in every folder of Windows, whatever comes after a dot."""
MAX_DEPTH = 100
"""Folders within folders that a listing may have before it is taken for an attack."""
_PLAIN_HINT = "Give a plain path relative to the artifacts' root, such as 'model/weights.bin'."


def relative_path(path: str) -> Result[str, IllegalPath]:
    """A plain relative POSIX path, safe under any folder on any operating system, or why not.

    "" is the root itself. Trailing slashes are dropped; nothing else is rewritten: what is not
    plain is refused, since a store that means something else by it could not be told apart.

    Args:
        path: Components split by `/`.

    Fails with:
        IllegalPath: It is absolute, has a `.`, `..` or empty component, a backslash, a NUL or other
            control character, bytes that are no text, the name of a device (as `nul`), or starts with a
            drive letter.

    Example:
        >>> relative_path("model/weights.bin").unwrap()
        'model/weights.bin'
        >>> str(relative_path("../secrets").failure())
        "path '../secrets' has the component '..'"
    """
    trimmed = path.rstrip("/") if path.strip("/") else ("" if path == "" else path)
    reason = _why_not_plain(trimmed)
    if reason is None:
        return Success(trimmed)
    return Failure(IllegalPath(path=path, reason=reason, hint=_PLAIN_HINT))


def _why_not_plain(path: str) -> str | None:
    if path == "":
        return None
    if path.startswith("/"):
        return "is absolute, and a path inside an artifact is relative"
    if _DRIVE.match(path):
        return "starts with a drive letter"
    if "\\" in path:
        return "has a backslash, which is a separator on some systems"
    if _CONTROL.search(path):
        return "has a control character"
    if _NO_TEXT.search(path):
        return "has bytes that are no UTF-8 text"
    return _why_no_components(path.split("/"))


def _why_no_components(components: list[str]) -> str | None:
    for component in components:
        if component in ("", ".", ".."):
            return f"has the component {component!r}"
        if _DEVICE.fullmatch(component):
            return f"has the component {component!r}, which is a device on some systems"
    if len(components) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} folders deep"
    return None


def indistinct(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that are one file on some system, by letter case or by Unicode form; None if all differ.

    Example:
        >>> indistinct(["conf/a.json", "conf/A.json"])
        ('conf/a.json', 'conf/A.json')
    """
    seen: dict[str, str] = {}
    for path in paths:
        plain = path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
        other = seen.setdefault(plain, path)
        if other is not path:
            return other, path
    return None


def join_path(*parts: str) -> str:
    """Checked relative paths, joined; empty ones vanish.

    Example:
        >>> join_path("", "model", "conf.json")
        'model/conf.json'
    """
    return "/".join(part for part in parts if part)


def path_below(path: str, root: str) -> str | None:
    """What is left of `path` under `root`, "" where they are equal, None where it is not under it.

    Example:
        >>> path_below("a/b/c", "a"), path_below("a", "a"), path_below("ab", "a")
        ('b/c', '', None)
    """
    if root in ("", path):
        return "" if root == path else path
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else None


def overlaps(one: str, other: str) -> bool:
    """Whether two relative paths are equal, or one is above the other."""
    return path_below(one, other) is not None or path_below(other, one) is not None


def base_name(path: str) -> str:
    """The last component."""
    return posixpath.basename(path)


def scheme_of(url: str) -> str:
    """The scheme of an artifact URL in lower case; "file" for a bare path.

    Example:
        >>> scheme_of("s3://bucket/run"), scheme_of("/data/run")
        ('s3', 'file')
    """
    match = _SCHEME.match(url)
    return match.group(0)[:-1].lower() if match else "file"


def join_url(url: str, path: str) -> str:
    """The URL of a relative path under an artifact root; a query part of the root stays last.

    Of a chained URL, such as that of an archive, the path is one of the first.

    Example:
        >>> join_url("zip://::https://host/run.zip", "model")
        'zip://model::https://host/run.zip'
        >>> join_url("s3://bucket/run", "model"), join_url("memory:///store?v=1", "model")
        ('s3://bucket/run/model', 'memory:///store/model?v=1')
    """
    if not path:
        return url
    if "::" in url and scheme_of(url) != "file":
        first, mark, rest = url.partition("::")
        base = first if first.endswith("://") else f"{first.rstrip('/')}/"
        return f"{base}{path}{mark}{rest}"
    base, mark, query = url.partition("?") if scheme_of(url) != "file" else (url, "", "")
    return f"{base.rstrip('/')}/{path}{mark}{query}"


def ancestors(path: str) -> tuple[str, ...]:
    """The folders that lead to a relative path, the outermost first, without the root.

    Example:
        >>> ancestors("a/b/c"), ancestors("a"), ancestors("")
        (('a', 'a/b'), (), ())
    """
    return tuple(path[:at] for at, letter in enumerate(path) if letter == "/")
