"""For tests of programs that use mlopus, and for authors of other repositories.

`in_memory` needs nothing but the base install. The contract suites (`mlopus.testing.contracts`) and
the Hypothesis strategies need the extra `testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi


def in_memory(**settings: Any) -> MlflowApi:
    """Give an API whose repositories all live in memory; what it returns as paths is temporary.

    Nothing is shared between two such APIs; what one holds is gone with it.

    Args:
        **settings: The fields of `mlopus.Settings`, by name.

    Raises:
        TypeError: There is no setting of that name.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> api.get_or_create_exp("demo").unwrap().name
        'demo'
    """
    from mlopus.api.client import MlflowApi
    from mlopus.repositories.memory import memory_repositories
    from mlopus.settings import Settings

    chosen = Settings(**{"progress": "off", **settings})
    parts = memory_repositories(text_codec=chosen.text_codec)
    return MlflowApi(
        tracking=parts.tracking,
        cache=parts.cache,
        artifacts=parts.artifacts,
        stores=parts.stores,
        workspace=parts.workspace,
        clock=parts.clock,
        settings=chosen,
    )
