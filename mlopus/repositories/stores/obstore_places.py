"""URLs of object stores: which kind of store, which bucket of it, and which keys."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import attrs

from mlopus.domain.paths import scheme_of
from mlopus.errors import IllegalPath
from mlopus.repositories.stores.urls import shown
from mlopus.result import Failure, Result, Success

ObjectStoreKind: TypeAlias = Literal["s3", "gs", "az"]

KINDS: Final[dict[str, ObjectStoreKind]] = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss", "wasb", "wasbs"), "az"),
}
"""Which schemes are object stores, and of which kind."""
_URL = re.compile(r"[A-Za-z0-9+.\-]+://(?P<host>[^/]*)/*(?P<key>.*)", re.DOTALL)
_ACCOUNT = re.compile(
    r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.(?P<cloud>core\.[a-z0-9.]+|fabric\.microsoft\.com)"
)


@attrs.frozen(kw_only=True)
class ObjectPlace:
    """A bucket (a container, in Azure), and the key that a URL names in it: "" is all of it.

    `account` and `cloud` are the storage account and the domain of Azure that the URL names, if it does.
    """

    kind: ObjectStoreKind
    bucket: str
    key: str
    shown: str
    account: str | None = None
    cloud: str | None = None

    def path(self, relative: str) -> str:
        """The key of a checked relative path."""
        return f"{self.key}/{relative}" if self.key and relative else self.key or relative

    def relative(self, key: str) -> str:
        """A listed key, relative to the URL; unchanged if it is not below it, so that it is refused."""
        if key == self.key:
            return ""
        below = f"{self.key}/" if self.key else ""
        return key[len(below) :] if key.startswith(below) else f"/{key}"


def object_place(url: str) -> Result[ObjectPlace, IllegalPath]:
    """The place of a URL. What follows the bucket is the key as it stands: nothing of it is decoded.

    Example:
        >>> object_place("s3://bucket/7/run/artifacts").unwrap().key
        '7/run/artifacts'
        >>> place = object_place("wasbs://models@team.blob.core.windows.net/a").unwrap()
        >>> place.account, place.bucket, place.key
        ('team', 'models', 'a')
    """
    kind = KINDS[scheme_of(url)]
    match = _URL.fullmatch(url)
    bucket, at, host = ("", "", "") if match is None else match["host"].partition("@")
    if match is None or not bucket:
        hint = "It is scheme://bucket/path, and in Azure also scheme://container@account.domain/path."
        return Failure(IllegalPath(path=shown(url), reason="names no bucket", hint=hint))
    place = ObjectPlace(kind=kind, bucket=bucket, key=match["key"].rstrip("/"), shown=shown(url))
    if not at:
        return Success(place)
    account = _ACCOUNT.fullmatch(host.lower()) if kind == "az" else None
    if account is None:
        hint = "An endpoint of your own is given in storage_options, and the URL without it."
        return Failure(IllegalPath(path=shown(url), reason="names a host that is none of Azure's", hint=hint))
    return Success(attrs.evolve(place, account=account["account"], cloud=account["cloud"]))
