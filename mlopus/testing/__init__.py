"""For tests of programs that use mlopus, and for authors of other repositories.

`in_memory` needs nothing but the base install. The contract suites (`mlopus.testing.contracts`), the
state machine (`mlopus.testing.state_machine`) and the Hypothesis strategies need the extra `testing`.
How a package of its own serves a tracking URI stands in `mlopus.api.extensions`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi


def in_memory(**settings: Any) -> MlflowApi:
    """Give an API whose repositories all live in memory, for tests: no server, no cache folder.

    It behaves as an API of a server with a store elsewhere: artifacts are cached, offline mode sees
    what was cached. Paths that it gives are in temporary folders, removed with it or at the end of
    the process. Nothing is shared between two such APIs, and neither is the environment read.

    Args:
        **settings: The fields of `mlopus.Settings`, by name; `progress` is "off" unless given.

    Returns:
        The API, with nothing in it.

    Raises:
        TypeError: There is no setting of that name.
        ValueError: A setting is out of its range.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory(cache_metadata_on_read="none")
        >>> exp = api.get_or_create_exp("demo").unwrap()
        >>> type(api.in_offline_mode.get_exp(exp.id).failure()).__name__
        'NotCached'
    """
    from mlopus.api.client import MlflowApi
    from mlopus.repositories.disk.workspace import LocalWorkspace
    from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
    from mlopus.repositories.memory.artifact_store import MemoryArtifactStore
    from mlopus.repositories.memory.journal import MemoryJournal
    from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
    from mlopus.repositories.memory.tracking import MemoryTracking
    from mlopus.settings import Settings

    quiet: dict[str, Any] = {"progress": "off", **settings}
    chosen = Settings(**quiet)
    return MlflowApi(
        tracking=MemoryTracking(text_codec=chosen.text_codec),
        cache=MemoryMetadataCache(text_codec=chosen.text_codec),
        artifacts=MemoryArtifactCache(),
        stores=MemoryArtifactStore(),
        workspace=LocalWorkspace(_temporary_folder()),
        journal=MemoryJournal(),
        settings=chosen,
    )


def _temporary_folder() -> str:
    """A folder that is made on first use, and gone with the process."""
    path = os.path.join(tempfile.gettempdir(), f"mlopus-in-memory-{uuid.uuid4().hex}")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
