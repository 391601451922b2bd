"""Which repositories an API works with: those it was given, the others opened on first use."""

from __future__ import annotations

import os.path
import threading
from typing import TYPE_CHECKING

import attrs
from immutabledict import immutabledict

from mlopus.api.tracking_stores import is_elsewhere, offline_facts, open_tracking, shown, store_folder
from mlopus.repositories.surroundings import Surroundings
from mlopus.settings import Settings

if TYPE_CHECKING:
    from mlopus.domain.origin import Origin
    from mlopus.errors import MlopusError
    from mlopus.execution.repositories import Repositories
    from mlopus.plans.facts import ProtectedRoot, TrackingFacts
    from mlopus.ports.artifact_cache import ArtifactCache
    from mlopus.ports.artifact_store import ArtifactStore
    from mlopus.ports.cache_folders import CacheFolders
    from mlopus.ports.clock import Clock
    from mlopus.ports.journal import Journal
    from mlopus.ports.metadata_cache import MetadataCache
    from mlopus.ports.tracking import Tracking
    from mlopus.ports.workspace import Workspace


@attrs.frozen(kw_only=True)
class Wiring:
    """What the repositories of an API are made from.

    `uri` is the tracking URI as `connect` resolved it; None offline means the only origin that the
    cache holds. `surroundings` and `cache_home`, the folder for users' caches, are as `connect` found
    them; `mlruns` is where a new database of MLflow keeps artifacts.
    """

    settings: Settings
    uri: str | None = attrs.field(default=None, repr=False)
    surroundings: Surroundings = Surroundings()
    cache_home: str | None = None
    mlruns: str | None = None
    tracking: Tracking | None = None
    cache: MetadataCache | None = None
    artifacts: ArtifactCache | None = None
    stores: ArtifactStore | None = None
    workspace: Workspace | None = None
    clock: Clock | None = None
    cache_folders: CacheFolders | None = None
    journal: Journal | None = None

    def open(self) -> Repositories:
        """The repositories: constructed, not yet connected to anything."""
        from mlopus.execution.repositories import Repositories
        from mlopus.repositories.system_clock import SystemClock

        tracking, stores = self._open_offline() if self.settings.offline_mode else self._open_online()
        origin = tracking.origin
        workspace = self.workspace or self._open_workspace()
        return Repositories(
            tracking=tracking,
            cache=self.cache or self._open_metadata_cache(origin),
            artifacts=self.artifacts or self._open_artifact_cache(origin),
            stores=stores,
            workspace=workspace,
            clock=self.clock or SystemClock(),
            cache_folders=self.cache_folders or self._open_cache_folders(origin),
            journal=self.journal or self._open_journal(origin),
            protected=self._protected(workspace),
        )

    def _open_online(self) -> tuple[Tracking, ArtifactStore]:
        tracking = self.tracking or open_tracking(self, self.given_uri)
        return tracking, self.stores or self._open_stores(tracking)

    def _open_offline(self) -> tuple[Tracking, ArtifactStore]:
        """The gate: stand-ins that cannot ask anybody. The real ones are not even loaded."""
        from mlopus.repositories.offline import OfflineStore, OfflineTracking

        facts = self._offline_facts() if self.tracking is None else self.tracking.facts
        pulls = self.settings.pull_artifacts_in_offline_mode
        stores = (self.stores or self._open_direct_stores({})) if pulls else None
        return OfflineTracking(origin=facts.origin, facts=facts), OfflineStore(store=stores)

    def _offline_facts(self) -> TrackingFacts:
        if self.uri is None:
            from mlopus.plans.facts import TrackingFacts
            from mlopus.repositories.sqlite.metadata_cache import only_origin

            return TrackingFacts(origin=only_origin(self.cache_folder), requests_cost=False)
        return offline_facts(self, self.uri)

    def _protected(self, workspace: Workspace) -> tuple[ProtectedRoot, ...]:
        from mlopus.plans.facts import ProtectedRoot

        roots: list[ProtectedRoot] = []
        if self.artifacts is None:
            folder, temporary = workspace.resolve(self.cache_folder), workspace.resolve(self.temporary_folder)
            roots.append(ProtectedRoot(path=folder, kind="cache", temporary=temporary))
        kept = store_folder(self.uri, self.mlruns) if self.tracking is None and self.uri else None
        if kept is not None:
            roots.append(ProtectedRoot(path=workspace.resolve(kept), kind="store"))
        return tuple(roots)

    @property
    def cache_folder(self) -> str:
        """The root of the cache, absolute."""
        if self.settings.cache_dir is not None:
            return self.settings.cache_dir
        return os.path.join(self.cache_home or user_cache_home(), "mlopus")

    def cache_fault(self) -> MlopusError | None:
        """Why nothing may be written that the cache is to follow: its folder is one of mlOpus 1.x."""
        from mlopus.repositories.disk.layout import old_cache_fault

        return None if self.cache is not None else old_cache_fault(self.cache_folder)

    @property
    def temporary_folder(self) -> str:
        """Where callbacks write before publishing."""
        return self.settings.temp_artifacts_dir or os.path.join(self.cache_folder, "temp")

    @property
    def shown_uri(self) -> str:
        """The tracking URI without credentials."""
        if self.uri is None:
            return "given repositories" if self.tracking is not None else "no tracking URI"
        return shown(self.uri)

    @property
    def given_uri(self) -> str:
        """The tracking URI, where there must be one."""
        assert self.uri is not None, "only an offline API has no tracking URI"  # noqa: S101
        return self.uri

    def _open_stores(self, tracking: Tracking) -> ArtifactStore:
        from mlopus.repositories.mlflow import MlflowTracking

        if not isinstance(tracking, MlflowTracking):
            return self._open_direct_stores({})
        from mlopus.repositories.stores.proxy import MlflowArtifactsStore

        proxy = MlflowArtifactsStore(transport=tracking.transport, concurrency=self.settings.concurrency)
        return self._open_direct_stores({"mlflow-artifacts": proxy})

    def _open_direct_stores(self, by_scheme: dict[str, ArtifactStore]) -> ArtifactStore:
        from mlopus.repositories.stores.fsspec_store import FsspecStore
        from mlopus.repositories.stores.obstore_options import Patience
        from mlopus.repositories.stores.obstore_places import KINDS
        from mlopus.repositories.stores.obstore_store import ObjectStore
        from mlopus.repositories.stores.router import StoreRouter

        settings = self.settings
        allow_local = settings.allow_local_artifacts
        objects = ObjectStore(
            storage_options=settings.storage_options,
            concurrency=settings.concurrency,
            patience=Patience(
                timeout_s=settings.timeout_s,
                connect_timeout_s=settings.connect_timeout_s,
                max_retries=settings.max_retries,
                backoff_s=settings.backoff_s,
                retry_for_s=settings.retry_for_s,
            ),
        )
        return StoreRouter(
            by_scheme=immutabledict({**dict.fromkeys(KINDS, objects), **by_scheme}),
            default=FsspecStore(
                storage_options=settings.storage_options,
                concurrency=settings.concurrency,
                allow_local=not is_elsewhere(self.uri or "") if allow_local is None else allow_local,
            ),
            scheme_map=settings.scheme_map,
        )

    def _open_metadata_cache(self, origin: Origin) -> MetadataCache:
        from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache

        return SqliteMetadataCache(self.cache_folder, origin, text_codec=self.settings.text_codec)

    def _open_artifact_cache(self, origin: Origin) -> ArtifactCache:
        from mlopus.repositories.disk.artifact_cache import DiskArtifactCache

        return DiskArtifactCache(self.cache_folder, origin)

    def _open_cache_folders(self, origin: Origin) -> CacheFolders:
        from mlopus.repositories.disk.cache_folders import DiskCacheFolders

        return DiskCacheFolders(origin, text_codec=self.settings.text_codec)

    def _open_journal(self, origin: Origin) -> Journal:
        from mlopus.repositories.sqlite.journal import SqliteJournal

        return SqliteJournal(self.cache_folder, origin)

    def _open_workspace(self) -> Workspace:
        from mlopus.repositories.disk.workspace import LocalWorkspace

        return LocalWorkspace(self.temporary_folder)


class LazyRepositories:
    """Opens repositories once, when they are first needed; a copy in another process opens its own."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self._opened: Repositories | None = None
        self._lock = threading.Lock()

    def get(self) -> Repositories:
        """The repositories."""
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    opened = self.wiring.open()
                    if self.wiring.settings.queues_writes:
                        from mlopus.api.showing import show_waiting

                        show_waiting(opened, self.wiring.settings)
                    self._opened = opened
        return self._opened

    def __reduce__(self) -> tuple[type[LazyRepositories], tuple[Wiring]]:
        return LazyRepositories, (self.wiring,)


def user_cache_home() -> str:
    """The folder for users' caches, as the environment of this moment says."""
    import platformdirs

    return platformdirs.user_cache_dir()
