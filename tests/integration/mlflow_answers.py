"""What the tests of MLflow's REST share: a server's usual answers, and who asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from immutabledict import immutabledict

from mlopus.domain.status import RunStatus
from mlopus.errors import (
    MlopusError,
)
from mlopus.plans.changes import CreateRun
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.result import Failure, Success
from tests.servers.messages import Answer, SeenRequest

API = "/api/2.0/mlflow"
RUN_JSON = {"info": {"run_id": "r1", "experiment_id": "1", "status": "RUNNING"}}
RUN = Answer.of_json({"run": RUN_JSON})
FOUND_RUN = Answer.of_json({"runs": [RUN_JSON]})
NOTHING = Answer.of_json({})
GET_RUN, CREATE, SEARCH = f"GET {API}/runs/get", f"POST {API}/runs/create", f"POST {API}/runs/search"
CREATE_RUN = CreateRun(
    exp_id="1",
    name="n",
    tags=immutabledict(),
    status=RunStatus.RUNNING,
    start_time=None,
    operation_id="op1",
)


def at(uri: str, **settings: Any) -> MlflowTracking:
    """The server, without pauses between tries."""
    return MlflowTracking(uri=uri, **{"backoff_s": 0.0, "retry_for_s": 20.0, **settings})


def one_after_another(**answers: Sequence[Answer] | Answer) -> Callable[[SeenRequest], Answer]:
    """Answer each operation, named by the end of its path, with its answers in turn, the last for good."""
    left = {name: [given] if isinstance(given, Answer) else list(given) for name, given in answers.items()}

    def reply(request: SeenRequest) -> Answer:
        own = left[request.path.rpartition("/")[2].replace("-", "_")]
        return own.pop(0) if len(own) > 1 else own[0]

    return reply


def failure(result: Success[Any] | Failure[MlopusError]) -> MlopusError:
    assert isinstance(result, Failure)
    return result.failure()
