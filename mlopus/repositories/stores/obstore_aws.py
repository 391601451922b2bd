"""How S3 is opened: options, then MLFLOW_S3_* and AWS_*, then AWS' files, then what the machine gives."""

from __future__ import annotations

import json
import os.path
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from mlopus.errors import InvalidValue, MlopusError, Unsupported
from mlopus.repositories.stores.obstore_options import (
    Opening,
    Patience,
    Static,
    client_of,
    is_true,
    plain_options,
    with_endpoint,
)
from mlopus.result import Failure, Result, Success

_ALIASES: Final = {
    "key": "access_key_id",
    "aws_access_key_id": "access_key_id",
    "secret": "secret_access_key",
    "aws_secret_access_key": "secret_access_key",
    "token": "session_token",
    "aws_session_token": "session_token",
    "anon": "skip_signature",
    "endpoint_url": "endpoint",
    "aws_endpoint_url_s3": "endpoint",
    "region_name": "region",
}
_KEYS: Final = ("access_key_id", "secret_access_key", "session_token")
_FEATURES: Final = ("sso_session", "sso_start_url", "role_arn", "credential_process", "credential_source")
_ATTRIBUTES: Final = {
    "ContentType": "Content-Type",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "CacheControl": "Cache-Control",
    "StorageClass": "Storage-Class",
}
_CONFIG: Final = {
    "ServerSideEncryption": "server_side_encryption",
    "SSEKMSKeyId": "sse_kms_key_id",
    "BucketKeyEnabled": "sse_bucket_key_enabled",
    "ChecksumAlgorithm": "checksum_algorithm",
}
_ENDPOINTS: Final = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_STYLES: Final = ("auto", "path", "virtual")


def open_s3(
    bucket: str, given: Mapping[str, Any], variables: Mapping[str, str], patience: Patience
) -> Result[Opening, MlopusError]:
    """What a bucket is opened with.

    Credentials are one thing: of options, of variables or of a profile, never mixed. Where none is found,
    the store asks the machine (web identity, container, instance).

    Args:
        bucket: Its name.
        given: The options of `s3` in `storage_options`.
        variables: The environment.
        patience: Bounds of waiting.
    """
    named = plain_options(given, _ALIASES, ("client_kwargs", "config"))
    if isinstance(named, Failure):
        return named
    options = named.unwrap()
    env = {name: text for name, text in variables.items() if text}
    profile = _profile(str(options.pop("profile", env.get("AWS_PROFILE", "default"))), env)
    if isinstance(profile, Failure):
        return profile
    told = profile.unwrap()
    options.setdefault("verify", _verify(env))
    client = client_of(options, patience)
    if isinstance(client, Failure):
        return client
    extras = _extras(options, env)
    if isinstance(extras, Failure):
        return extras
    credentials = _credentials(options, env, told, explicit="profile" in given)
    if isinstance(credentials, Failure):
        return credentials
    region = options.pop("region", None) or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    region = str(region or told.get("region") or "us-east-1")
    endpoint = options.pop("endpoint", None) or _endpoint(env, told)
    addressed = _addressed(bucket, _regional(endpoint, region, variables), options, env)
    if isinstance(addressed, Failure):
        return addressed
    config = {"region": region, **options, **addressed.unwrap()}
    return Success(
        Opening(
            config=config,
            client=with_endpoint(client.unwrap(), config.get("endpoint")),
            credentials=credentials.unwrap(),
            extras=extras.unwrap(),
        )
    )


def _credentials(
    options: dict[str, Any], env: Mapping[str, str], profile: Mapping[str, str], *, explicit: bool
) -> Result[Any, MlopusError]:
    keys = {name: options.pop(name) for name in _KEYS if name in options}
    if "role_arn" in options or options.get("skip_signature"):
        return Success(None)
    from_variables = {name: env[f"AWS_{name.upper()}"] for name in _KEYS if f"AWS_{name.upper()}" in env}
    from_profile = {name: profile[f"aws_{name}"] for name in _KEYS if f"aws_{name}" in profile}
    for found in (keys, from_profile if explicit else from_variables, from_profile):
        if not found:
            continue
        if not {"access_key_id", "secret_access_key"} <= found.keys():
            reason = "has only a part: access_key_id and secret_access_key belong together"
            return Failure(InvalidValue(kind="storage option", key="S3 credentials", reason=reason))
        held = {name: found.get(name) for name in ("access_key_id", "secret_access_key")}
        return Success(Static({**held, "token": found.get("session_token")}))
    needs = next((name for name in _FEATURES if name in profile), None)
    is_given_by_machine = "AWS_WEB_IDENTITY_TOKEN_FILE" in env and not explicit
    return Success(None) if needs is None or is_given_by_machine else _by_botocore(needs, profile)


def _by_botocore(needs: str, profile: Mapping[str, str]) -> Result[Any, MlopusError]:
    """Credentials of a profile that only AWS' own library can get."""
    from mlopus.repositories.stores.obstore_botocore import BotocoreCredentials  # noqa: PLC0415 (as it says)

    try:
        return Success(BotocoreCredentials.of_profile(profile["name"]))
    except ImportError:
        place = f"profile {profile['name']!r} of AWS"
        action = f"{needs} without the package botocore"
        return Failure(Unsupported(action=action, place=place, hint="pip install botocore"))


def _endpoint(env: Mapping[str, str], profile: Mapping[str, str]) -> str | None:
    return next((env[name] for name in _ENDPOINTS if name in env), None) or profile.get("endpoint_url")


def _addressed(
    bucket: str, endpoint: str | None, options: dict[str, Any], env: Mapping[str, str]
) -> Result[dict[str, Any], MlopusError]:
    """Endpoint and style. An endpoint is named twice, since the variable for S3 alone would win over one."""
    style = str(options.pop("addressing_style", env.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto")))
    if style not in _STYLES:
        reason = f"is {style!r}, and must be one of {', '.join(_STYLES)}"
        return Failure(InvalidValue(kind="storage option", key="addressing_style", reason=reason))
    is_virtual = style == "virtual"
    if endpoint is None:
        return Success({"virtual_hosted_style_request": is_virtual})
    if is_virtual:
        parts = urlsplit(endpoint)
        endpoint = urlunsplit(parts._replace(netloc=f"{bucket}.{parts.netloc}"))
    both = {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint}
    return Success({**both, "virtual_hosted_style_request": is_virtual})


def _regional(endpoint: Any, region: str, variables: Mapping[str, str]) -> str | None:
    """The endpoint; AWS' own is named where a variable for it is there and empty, which is no endpoint."""
    if endpoint is None and any(variables.get(name) == "" for name in _ENDPOINTS):
        return f"https://s3.{region}.amazonaws.com"
    return None if endpoint is None else str(endpoint).rstrip("/")


def _verify(env: Mapping[str, str]) -> bool | str:
    if is_true(env.get("MLFLOW_S3_IGNORE_TLS")):
        return False
    return env.get("AWS_CA_BUNDLE") or env.get("REQUESTS_CA_BUNDLE") or True


def _extras(options: dict[str, Any], env: Mapping[str, str]) -> Result[dict[str, Any], MlopusError]:
    """What MLFLOW_S3_UPLOAD_EXTRA_ARGS adds to every object; what is a setting goes to the options."""
    if "MLFLOW_S3_EXPECTED_BUCKET_OWNER" in env:
        action = "checking the bucket's owner (MLFLOW_S3_EXPECTED_BUCKET_OWNER)"
        hint = "Unset it, or check by a policy of the bucket's or of the credentials."
        return Failure(Unsupported(action=action, place="mlopus", hint=hint))
    text = env.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "{}")
    try:
        given: Any = json.loads(text)
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        reason = "is no JSON object"
        return Failure(InvalidValue(kind="variable", key="MLFLOW_S3_UPLOAD_EXTRA_ARGS", reason=reason))
    attributes: dict[str, str] = {}
    extras: dict[str, Any] = {}
    for name, value in cast("dict[str, Any]", given).items():
        if name in _ATTRIBUTES:
            attributes[_ATTRIBUTES[name]] = str(value)
        elif name in _CONFIG:
            options.setdefault(_CONFIG[name], value)
        elif name == "RequestPayer":
            options.setdefault("request_payer", value == "requester")
        elif name == "Metadata" and isinstance(value, dict):
            attributes |= {key: str(text) for key, text in cast("dict[str, Any]", value).items()}
        elif name == "Tagging":
            extras["tags"] = dict(parse_qsl(str(value), keep_blank_values=True))
        else:
            action = f"{name} in MLFLOW_S3_UPLOAD_EXTRA_ARGS"
            known = ", ".join(sorted({*_ATTRIBUTES, *_CONFIG, "Metadata", "RequestPayer", "Tagging"}))
            return Failure(Unsupported(action=action, place="mlopus", hint=f"It takes {known}."))
    return Success({**extras, "attributes": attributes} if attributes else extras)


def _profile(name: str, env: Mapping[str, str]) -> Result[dict[str, str], MlopusError]:
    """What AWS' files say of a profile; nothing of one that only is the default and not there."""
    import configparser  # noqa: PLC0415 (start-up counts)

    home = os.path.expanduser("~/.aws")
    files = (
        (env.get("AWS_CONFIG_FILE", f"{home}/config"), name if name == "default" else f"profile {name}"),
        (env.get("AWS_SHARED_CREDENTIALS_FILE", f"{home}/credentials"), name),
    )
    told: dict[str, str] = {}
    for path, section in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(os.path.expanduser(path), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = f"cannot be read: {type(error).__name__}"
            return Failure(InvalidValue(kind="file of AWS", key=path, reason=reason))
        if parser.has_section(section):
            told |= dict(parser.items(section))
    if not told and name != "default":
        reason = "is in no file of AWS"
        return Failure(InvalidValue(kind="profile", key=name, reason=reason))
    return Success({**told, "name": name})
