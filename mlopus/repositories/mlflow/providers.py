"""Headers that plugins of MLflow's clients add to requests: entry points `mlflow.request_header_provider`."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

GROUP: Final = "mlflow.request_header_provider"

_log = logging.getLogger("mlopus")


class HeaderProvider(Protocol):
    """A plugin, as MLflow defines them."""

    def in_context(self) -> bool:
        """Whether it has something to add now."""
        ...

    def request_headers(self) -> Mapping[str, str]:
        """What it adds."""
        ...


def load_providers() -> tuple[HeaderProvider, ...]:
    """Make the providers that are installed. One that cannot be loaded is left out, with a warning."""
    from importlib.metadata import entry_points  # noqa: PLC0415 (most programs never ask a server)

    providers: list[HeaderProvider] = []
    for entry in entry_points(group=GROUP):
        try:
            providers.append(entry.load()())
        except Exception:  # noqa: BLE001 (a plugin's own errors cannot be listed, and MLflow goes on too)
            _log.warning("%s %r cannot be loaded and is left out", GROUP, entry.name, exc_info=True)
    return tuple(providers)


def provided_headers(providers: Iterable[HeaderProvider]) -> dict[str, str]:
    """What all providers add; values of the same name are joined by a space.

    One that fails adds nothing, and the warning does not say with what: it may hold a secret.
    """
    joined: dict[str, str] = {}
    for provider in providers:
        try:
            added = dict(provider.request_headers()) if provider.in_context() else {}
        except Exception as error:  # noqa: BLE001 (as above)
            _log.warning("%s %s failed with %s", GROUP, type(provider).__name__, type(error).__name__)
            continue
        for name, value in added.items():
            joined[name] = f"{joined[name]} {value}" if name in joined else value
    return joined
