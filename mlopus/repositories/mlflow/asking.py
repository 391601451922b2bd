"""Who answers MLflow's requests: a server over HTTP, or MLflow's own stores in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from mlopus.errors import IllegalPath, MlopusError
from mlopus.repositories.mlflow.policy import Fault, Policy
from mlopus.result import Result
from mlopus.wire.mlflow.http import HttpReply, HttpRequest, WrongShape

T = TypeVar("T")


class Asking(Protocol):
    """Answers requests as MLflow's REST describes them. Thread-safe."""

    @property
    def place(self) -> str:
        """Who answers, as errors name it."""
        ...

    @property
    def policy(self) -> Policy:
        """The bounds of each request."""
        ...

    def call(
        self, request: HttpRequest, read: Callable[[object], Result[T, WrongShape | IllegalPath]]
    ) -> Result[T, MlopusError]:
        """What the reply says, as a reader has it."""
        ...

    def do(self, request: HttpRequest) -> Result[None, MlopusError]:
        """Ask, where the reply says nothing that is needed."""
        ...

    def ask(self, request: HttpRequest) -> Result[HttpReply, Fault]:
        """A whole reply with a status of success."""
        ...

    def read(
        self,
        request: HttpRequest,
        reply: HttpReply,
        read: Callable[[object], Result[T, WrongShape | IllegalPath]],
    ) -> Result[T, MlopusError]:
        """What a reply that has come says."""
        ...
