"""Looking at a database before MLflow does: it would wait minutes for one that is not there.

It would also add its tables to a database of something else, and bring an older one of its own up to
date without being asked, which cannot be undone.
"""

from __future__ import annotations

import os.path
from importlib import import_module
from typing import Any, Final

from mlopus.errors import MlopusError, StoreFailed, Unreachable, UnreadableCache, Unsupported
from mlopus.repositories.mlflow_uris import database_file, family_of
from mlopus.wire.mlflow.errors import clean

_TIMED: Final = frozenset({"postgresql", "mysql"})
"""Families whose drivers call the longest wait for a connection `connect_timeout`."""


def database_fault(uri: str, place: str, connect_timeout_s: float) -> MlopusError | None:
    """Why a database cannot be opened, or must not be; None if it can.

    Args:
        uri: As SQLAlchemy has it.
        place: The same without secrets, for errors.
        connect_timeout_s: Longest wait for a connection, where the driver takes one.
    """
    sqlalchemy: Any = import_module("sqlalchemy")
    file = database_file(uri)
    if file is not None:
        fault = _folder_fault(file, place)
        if fault is not None:
            return fault
    try:
        timed = family_of(uri) in _TIMED
        options = {"connect_timeout": max(1, round(connect_timeout_s))} if timed else {}
        engine = sqlalchemy.create_engine(uri, connect_args=options, poolclass=sqlalchemy.pool.NullPool)
        if file is not None and not os.path.exists(file):
            return None
        with engine.connect() as connection:
            tables = frozenset(sqlalchemy.inspect(connection).get_table_names())
            return _schema_fault(sqlalchemy, connection, tables, place)
    except ModuleNotFoundError as error:
        hint = f"Install the database driver {error.name!r}, which MLflow does not bring along."
        return Unsupported(action=f"databases without the package {error.name!r}", place=place, hint=hint)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        return Unsupported(action="this address of a database", place=place, hint=clean(str(error)))
    except sqlalchemy.exc.OperationalError as error:
        return Unreachable(place=place, reason=clean(str(error.orig)), hint=_REACH)
    except sqlalchemy.exc.DatabaseError as error:
        return UnreadableCache(path=place, reason=clean(str(error.orig)), hint="It was not changed.")


_REACH: Final = "Check the address, and that the database runs and lets this user in."


def _folder_fault(file: str, place: str) -> MlopusError | None:
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
    except OSError as error:
        return StoreFailed(place=place, action="making its folder", reason=error.strerror or str(error))
    return None


def _schema_fault(sqlalchemy: Any, connection: Any, tables: frozenset[str], place: str) -> Unsupported | None:
    """Why the tables of a database are not those of this version of MLflow."""
    if not tables:
        return None
    if "alembic_version" not in tables or "experiments" not in tables:
        hint = "It holds tables, and none of MLflow's: give a database of its own."
        return Unsupported(action="tracking in a database of something else", place=place, hint=hint)
    held = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
    wanted = import_module("mlflow.store.db.utils")._get_latest_schema_revision()  # noqa: SLF001 (no public one)
    if held == wanted:
        return None
    version = import_module("mlflow.version").VERSION
    hint = (
        f"Its tables are at {held}, those of mlflow {version} at {wanted}. Make a backup and run "
        "`mlflow db upgrade` on it, or use the version of mlflow that made it."
    )
    return Unsupported(action=f"mlflow {version}", place=place, hint=hint)
