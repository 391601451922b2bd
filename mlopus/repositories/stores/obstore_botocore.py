"""Credentials that AWS' own library gets: by single sign-on, by another role, by a program."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

_ASK_AGAIN: Final = timedelta(minutes=5)


class BotocoreCredentials:
    """Asks botocore, which renews credentials itself, every few minutes."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    @classmethod
    def of_profile(cls, name: str) -> Self:
        """Those of a profile in AWS' files.

        Raises:
            ImportError: The package is not installed; few profiles need it.
        """
        module: Any = importlib.import_module("botocore.session")
        return cls(module.Session(profile=name).get_credentials())

    def __call__(self) -> dict[str, Any]:
        """Credentials as they are now."""
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _ASK_AGAIN,
        }
