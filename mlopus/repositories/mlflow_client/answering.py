"""Answers MLflow's requests by MLflow's own stores, in this process."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import unquote

import attrs

from mlopus.errors import IllegalPath, MlopusError, StoreFailed, Unauthorized, UnreadableReply
from mlopus.ports.meter import Meter, NoMeter
from mlopus.repositories.mlflow.policy import Fault, Policy, answer
from mlopus.repositories.mlflow_client.opening import Opening
from mlopus.repositories.mlflow_client.quiet import quiet
from mlopus.repositories.mlflow_client.registry_routes import REGISTRY_ROUTES
from mlopus.repositories.mlflow_client.routes import TRACKING_ROUTES, Arguments, Stores
from mlopus.repositories.process_local import PerProcess
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.errors import error_from_reply, may_pass
from mlopus.wire.mlflow.http import API, HttpReply, HttpRequest, WrongShape
from mlopus.wire.mlflow.shapes import members

T = TypeVar("T")

_ROUTES: Final = {**TRACKING_ROUTES, **REGISTRY_ROUTES}
_LOGGED_MODEL: Final = "logged-models/"
_NO_CREDENTIALS: Final = "Reading Databricks credential configuration failed"
CREDENTIALS_HINT: Final = (
    "The mlflow package finds its own credentials: give Databricks' as DATABRICKS_HOST and DATABRICKS_TOKEN "
    "or in a profile, and those of a database in its address."
)
_log = logging.getLogger("mlopus")


@attrs.frozen(kw_only=True)
class Answered(HttpReply):
    """A reply that was never text."""

    document: object


def _stores_of(answering: Answering) -> PerProcess[Stores]:
    return PerProcess(answering.opening.open)


@attrs.frozen(kw_only=True)
class Answering:
    """The stores of one address. Thread-safe; picklable; what it opens belongs to one process.

    `requests_cost`: what is asked crosses a network, and is told to the meter.
    """

    opening: Opening
    policy: Policy = Policy()
    requests_cost: bool = False
    meter: Meter = attrs.field(default=NoMeter(), eq=False, repr=False)
    _stores: PerProcess[Stores] = attrs.field(
        default=attrs.Factory(_stores_of, takes_self=True), eq=False, repr=False
    )

    @property
    def place(self) -> str:
        """The store as errors name it."""
        return self.opening.place

    def metered(self, meter: Meter) -> Answering:
        """The same stores, telling this meter."""
        return attrs.evolve(self, meter=meter)

    def stores(self) -> Result[Stores, MlopusError]:
        """MLflow's stores themselves, opened on first use."""
        try:
            return Success(self._stores.get())
        except MlopusError as error:
            return Failure(error)

    def call(
        self, request: HttpRequest, read: Callable[[object], Result[T, WrongShape | IllegalPath]]
    ) -> Result[T, MlopusError]:
        """What the reply says, as a reader has it."""
        replied = self.ask(request)
        if isinstance(replied, Failure):
            return Failure(replied.failure().error)
        return self.read(request, replied.unwrap(), read)

    def do(self, request: HttpRequest) -> Result[None, MlopusError]:
        """Ask, where the reply says nothing that is needed."""
        replied = self.ask(request)
        return Failure(replied.failure().error) if isinstance(replied, Failure) else Success(None)

    def read(
        self,
        request: HttpRequest,
        reply: HttpReply,
        read: Callable[[object], Result[T, WrongShape | IllegalPath]],
    ) -> Result[T, MlopusError]:
        """What a reply that has come says."""
        answered = read(reply.document if isinstance(reply, Answered) else None)
        if isinstance(answered, Success):
            return answered
        fault = answered.failure()
        if isinstance(fault, MlopusError):
            return Failure(fault)
        hint = "Check that this version of mlflow and the store belong together."
        return Failure(
            UnreadableReply(
                place=self.place, request=request.name, reason=fault.reason, excerpt="", hint=hint
            )
        )

    def ask(self, request: HttpRequest) -> Result[HttpReply, Fault]:
        """A whole reply with a status of success."""
        outcome = answer(request, self.policy, lambda: self._try(request))
        if isinstance(outcome, Fault):
            return Failure(outcome)
        return Success(outcome) if outcome.status == HTTPStatus.OK else Failure(self._fault(request, outcome))

    def _fault(self, request: HttpRequest, reply: HttpReply, *, is_final: bool = False) -> Fault:
        error = error_from_reply(request, reply, self.place)
        if isinstance(error, Unauthorized):
            error = attrs.evolve(error, hint=CREDENTIALS_HINT)
        return Fault(error=error, maybe_done=may_pass(reply), is_final=is_final)

    def _try(self, request: HttpRequest) -> HttpReply | Fault:
        opened = self.stores()
        if isinstance(opened, Failure):
            return Fault(error=opened.failure(), is_final=True)
        if self.requests_cost:
            self.meter.requested()
        started = time.monotonic()
        reply = self._reply(request, opened.unwrap())
        said = type(reply.error).__name__ if isinstance(reply, Fault) else reply.status
        spent_ms = (time.monotonic() - started) * 1000
        _log.debug("%s %s of %s: %s in %.0f ms", request.method, request.name, self.place, said, spent_ms)
        return reply

    def _reply(self, request: HttpRequest, stores: Stores) -> HttpReply | Fault:
        route, given = _read(request)
        try:
            with quiet():
                document = _ROUTES[route](stores, given)
        except NotImplementedError as error:
            words = f"mlflow {stores.version} cannot do this here: {error}"
            return _failed(HTTPStatus.NOT_IMPLEMENTED, "NOT_IMPLEMENTED", words)
        except OSError as error:
            failed = StoreFailed(place=self.place, action=request.name, reason=error.strerror or str(error))
            return Fault(error=failed, maybe_done=True, is_final=True)
        except stores.exceptions.MlflowException as error:
            if _NO_CREDENTIALS in error.message:
                return _failed(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", error.message)
            reply = _failed(error.get_http_status_code(), error.error_code, error.message)
            is_bug = reply.status == HTTPStatus.INTERNAL_SERVER_ERROR
            return self._fault(request, reply, is_final=True) if is_bug else reply
        return Answered(status=HTTPStatus.OK, document=document)


def has_route(request: HttpRequest) -> bool:
    """Whether a request is one that stores can answer."""
    return _read(request)[0] in _ROUTES


def _failed(status: int, code: str, words: str) -> HttpReply:
    return HttpReply(
        status=status, body=json.dumps({"error_code": code, "message": str(words)}).encode("utf-8", "replace")
    )


def _read(request: HttpRequest) -> tuple[str, Arguments]:
    """The name of the route and the arguments of a request."""
    path = request.path.removeprefix(f"{API}/")
    if request.body is not None:
        given = dict(members(json.loads(request.body)))
    else:
        order_by = [text for name, text in request.query if name == "order_by"]
        given = {**dict(request.query), "order_by": order_by or None}
    if path.startswith(_LOGGED_MODEL) and request.method == "GET":
        given["model_id"] = unquote(path.removeprefix(_LOGGED_MODEL))
        path = f"{_LOGGED_MODEL}*"
    return f"{request.method} {path}", given
