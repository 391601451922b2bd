"""The repositories that one API works with."""

from __future__ import annotations

import attrs

from mlopus.plans.facts import ProtectedRoot
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.ports.cache_folders import CacheFolders
from mlopus.ports.clock import Clock
from mlopus.ports.journal import Journal
from mlopus.ports.metadata_cache import MetadataCache
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import Tracking
from mlopus.ports.workspace import Workspace


@attrs.frozen(kw_only=True)
class Repositories:
    """One implementation of every port.

    `protected` are the folders of the cache and of an embedded store, where nobody may place files.
    """

    tracking: Tracking
    cache: MetadataCache
    artifacts: ArtifactCache
    stores: ArtifactStore
    workspace: Workspace
    clock: Clock
    cache_folders: CacheFolders
    journal: Journal
    protected: tuple[ProtectedRoot, ...] = ()

    def metered(self, meter: Meter) -> Repositories:
        """The same repositories, telling this meter what they do."""
        return attrs.evolve(self, tracking=self.tracking.metered(meter), stores=self.stores.metered(meter))
