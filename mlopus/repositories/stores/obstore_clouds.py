"""How Google Cloud Storage and Azure are opened: options, then variables, then what the machine gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from mlopus.errors import InvalidValue, MlopusError, Unauthorized
from mlopus.repositories.stores.obstore_options import (
    Opening,
    Patience,
    Static,
    client_of,
    plain_options,
    with_endpoint,
)
from mlopus.repositories.stores.obstore_places import ObjectPlace
from mlopus.result import Failure, Result, Success

_GCS_ALIASES: Final = {"endpoint_url": "base_url", "anon": "skip_signature"}
_GCS_IGNORED: Final = ("project", "access")
_AZURE_ALIASES: Final = {"sas_token": "sas_key", "anon": "skip_signature", "account_url": "endpoint"}
_FOUND_BY_ITSELF: Final = ("google_default", "cloud")
_CONNECTION: Final = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}
_AZURE_SECRETS: Final = ("account_key", "sas_key", "token", "client_secret")


def open_gcs(
    given: Mapping[str, Any], variables: Mapping[str, str], patience: Patience
) -> Result[Opening, MlopusError]:
    """What a bucket of Google's is opened with.

    `token` is as in gcsfs: the path of a credentials file, its content as a mapping, or "anon". Without
    it, the store reads GOOGLE_* and the application default credentials itself.
    """
    named = plain_options(given, _GCS_ALIASES, ("config",))
    if isinstance(named, Failure):
        return named
    options = named.unwrap()
    client = client_of(options, patience)
    if isinstance(client, Failure):
        return client
    for name in _GCS_IGNORED:
        options.pop(name, None)
    token = options.pop("token", None)
    if isinstance(token, Mapping):
        options["service_account_key"] = json.dumps(dict(cast("Mapping[str, Any]", token)))
    elif token == "anon":  # noqa: S105 (it says that there is none)
        options["skip_signature"] = True
    elif token is not None and token not in _FOUND_BY_ITSELF:
        options["application_credentials"] = str(token)
    emulator = variables.get("STORAGE_EMULATOR_HOST")
    if emulator and "base_url" not in options:
        options["base_url"] = emulator if "://" in emulator else f"http://{emulator}"
        options.setdefault("skip_signature", True)
    credentials = None
    if "base_url" in options and options.get("skip_signature"):
        del options["skip_signature"]  # which obstore heeds in reading only, and then asks Google for a token
        credentials = Static({"token": "anonymous"})
    return Success(
        Opening(
            config=options,
            client=with_endpoint(client.unwrap(), options.get("base_url")),
            credentials=credentials,
        )
    )


def open_azure(
    place: ObjectPlace, given: Mapping[str, Any], variables: Mapping[str, str], patience: Patience
) -> Result[Opening, MlopusError]:
    """What a container of Azure's is opened with.

    The account is the URL's, else that of the options, the connection string or the variables. What
    was given for one account is never sent to another that a URL names.
    """
    named = plain_options(given, _AZURE_ALIASES, ("config",))
    if isinstance(named, Failure):
        return named
    options = named.unwrap()
    client = client_of(options, patience)
    if isinstance(client, Failure):
        return client
    text = options.pop("connection_string", None) or (
        None if _has_secret(options) else variables.get("AZURE_STORAGE_CONNECTION_STRING")
    )
    if text:
        connected = _connection(str(text))
        if isinstance(connected, Failure):
            return connected
        options = {**connected.unwrap(), **options}
    own = options.get("account_name") or variables.get("AZURE_STORAGE_ACCOUNT_NAME")
    if place.account is not None:
        foreign = _foreign(place, own, options, variables)
        if foreign is not None:
            return Failure(foreign)
        options["account_name"] = place.account
        if options.get("endpoint") is None and place.cloud is not None:
            options["endpoint"] = f"https://{place.account}.blob.{place.cloud}"
    return Success(Opening(config=options, client=with_endpoint(client.unwrap(), options.get("endpoint"))))


def _has_secret(options: Mapping[str, Any]) -> bool:
    return any(name in options for name in _AZURE_SECRETS)


def _foreign(
    place: ObjectPlace, own: str | None, options: Mapping[str, Any], variables: Mapping[str, str]
) -> Unauthorized | None:
    """Why a URL may not have the credentials that there are; None if it may.

    A key only signs, so it may be tried where no account is named for it; what is sent itself may not.
    """
    is_sent = any(options.get(name) for name in ("sas_key", "token")) or any(
        variables.get(name)
        for name in ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_TOKEN")
    )
    if own == place.account or (own is None and not is_sent):
        return None
    reply = f"the credentials are of the account {own!r}" if own else "the token has no account"
    hint = f"If they are for it, name the account in storage_options: account_name={place.account!r}."
    return Unauthorized(place=place.shown, request="opening", status=401, reply=reply, hint=hint)


def _connection(text: str) -> Result[dict[str, Any], MlopusError]:
    parts = dict(part.split("=", 1) for part in text.strip().split(";") if "=" in part)
    if parts.get("UseDevelopmentStorage", "").lower() == "true":
        return Success({"use_emulator": True})
    found = {ours: parts[theirs] for theirs, ours in _CONNECTION.items() if parts.get(theirs)}
    if not found:
        reason = "has none of AccountName, AccountKey, SharedAccessSignature and BlobEndpoint"
        return Failure(InvalidValue(kind="storage option", key="connection_string", reason=reason))
    suffix = parts.get("EndpointSuffix")
    if suffix and "endpoint" not in found and "account_name" in found:
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        found["endpoint"] = f"{protocol}://{found['account_name']}.blob.{suffix}"
    return Success(cast("dict[str, Any]", found))
