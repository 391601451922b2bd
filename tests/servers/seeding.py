"""Many runs and versions on a real server in a moment: copies of one, made in the server's database.

Asking the server for each takes a tenth of a second a run.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from tests.servers.mlflow_server import MlflowServer

BUSY_TIMEOUT_S = 60.0
_VALUES = ("params", "latest_metrics", "metrics", "tags")

_Expressions: TypeAlias = "Mapping[str, str]"


def copy_run(server: MlflowServer, run_id: str, count: int) -> tuple[str, ...]:
    """Copy a run with all its values, into the same experiment.

    Each copy started a second after the one before, has the next number in its name, and metrics
    that are greater by its number.

    Args:
        server: One of MLflow's own SQLite store.
        run_id: The run to copy.
        count: How many copies to make.

    Returns:
        The ids of the copies.
    """
    copies = [(number, uuid.uuid4().hex) for number in range(1, count + 1)]
    with _writing(server) as database:
        database.execute("CREATE TEMP TABLE copy (number INTEGER, id TEXT)")
        database.executemany("INSERT INTO copy VALUES (?, ?)", copies)
        changed = {
            "run_uuid": "copy.id",
            "name": "name || ' ' || copy.number",
            "start_time": "start_time + 1000 * copy.number",
            "artifact_uri": "replace(artifact_uri, run_uuid, copy.id)",
        }
        _copy(database, "runs", changed, ("run_uuid = ?", run_id))
        for table in _VALUES:
            value = "value + copy.number" if table.endswith("metrics") else "value"
            _copy(database, table, {"run_uuid": "copy.id", "value": value}, ("run_uuid = ?", run_id))
    return tuple(copied for _, copied in copies)


def copy_version(server: MlflowServer, name: str, run_ids: Sequence[str]) -> None:
    """Copy the first version of a model, once for each of these runs, as the versions that follow."""
    with _writing(server) as database:
        database.execute("CREATE TEMP TABLE copy (number INTEGER, id TEXT)")
        database.executemany("INSERT INTO copy VALUES (?, ?)", list(enumerate(run_ids, start=2)))
        source = "replace(source, run_id, copy.id)"
        changed = {"version": "copy.number", "run_id": "copy.id", "source": source}
        _copy(database, "model_versions", changed, ("version = 1 AND model_versions.name = ?", name))


@contextlib.contextmanager
def _writing(server: MlflowServer) -> Generator[sqlite3.Connection]:
    """A transaction that waits for its turn to write before it reads: one that reads first may be refused."""
    opened = sqlite3.connect(server.folder / "mlflow.db", BUSY_TIMEOUT_S, isolation_level=None)
    with contextlib.closing(opened) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")


def _copy(database: sqlite3.Connection, table: str, changed: _Expressions, chosen: tuple[str, str]) -> None:
    """Insert a row for each row of `copy`, with other values in some columns."""
    names = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    where, value = chosen
    database.execute(f"INSERT INTO {table} SELECT {values} FROM {table}, copy WHERE {where}", (value,))  # noqa: S608
