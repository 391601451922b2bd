"""What the server behind MLflow's artifact proxy can do, and what it must not be sent."""

from __future__ import annotations

import threading

from mlopus.errors import Unavailable
from mlopus.repositories.mlflow.policy import SHORT_PATIENCE_S
from mlopus.repositories.mlflow.transport import Transport
from mlopus.result import Failure, Success
from mlopus.wire.mlflow.server import (
    abilities_from_reply,
    completes_cut_bodies,
    is_before_mlflow_3,
    server_info_request,
    version_request,
)


class Abilities:
    """What one server offers, asked once a process."""

    def __init__(self) -> None:
        self._known: frozenset[str] | None = None
        self._is_before_3: dict[str | None, bool] = {}
        self._lock = threading.Lock()

    def has(self, ability: str, transport: Transport) -> bool:
        """Whether the server says that it has an ability. Those before MLflow 3 do not, nor some gateways."""
        with self._lock:
            if self._known is None:
                told = transport.call(server_info_request(), abilities_from_reply)
                if isinstance(told, Failure) and isinstance(told.failure(), Unavailable):
                    return False
                self._known = told.unwrap() if isinstance(told, Success) else frozenset()
            return ability in self._known

    def needs_chunks(self, host: str | None, transport: Transport) -> bool:
        """Whether a file must be sent in chunks, so that none is stored of which only a part came.

        Its version is asked for only if the `Server` header of what it answered before does not tell. Where
        neither tells, files are sent with their length.
        """
        told = completes_cut_bodies(transport.server_name(host))
        if told is not None:
            return told
        is_before_3 = self._asked(host, transport)
        return completes_cut_bodies(transport.server_name(host)) or is_before_3

    def _asked(self, host: str | None, transport: Transport) -> bool:
        with self._lock:
            if host not in self._is_before_3:
                version = transport.hurried(SHORT_PATIENCE_S).ask(version_request(), host)
                if isinstance(version, Failure) and isinstance(version.failure().error, Unavailable):
                    return False  # the next file asks again, and none waits for what may never answer
                is_before_3 = isinstance(version, Success) and is_before_mlflow_3(version.unwrap().body)
                self._is_before_3[host] = is_before_3
            return self._is_before_3[host]
