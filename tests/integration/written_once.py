"""What takes long to write to a shared server is written once, whichever test process comes first."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from filelock import FileLock

from tests.servers.mlflow_server import MlflowServer


def written_once(server: MlflowServer, what: str, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Give what `write` answered, as JSON; tests that share it leave it as it is.

    Args:
        server: Where it is written; what was answered is kept in its folder.
        what: A name for it.
        write: Writes it, under names that nobody else has.
    """
    answer = server.folder / f"{what}.json"
    with FileLock(f"{answer}.lock"):
        if not answer.exists():
            answer.write_text(json.dumps(write()), encoding="utf-8")
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found
