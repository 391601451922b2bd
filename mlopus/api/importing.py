"""`import_cache`: what mlOpus 1.x cached, taken into a cache of this mlopus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlopus.api.connect import wiring_of
from mlopus.errors import ConflictingOptions, MlopusError
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.api.import_reports import ImportReport
    from mlopus.api.wiring import Wiring
    from mlopus.execution.repositories import Repositories


def import_cache(
    folder: str | os.PathLike[str],
    into: str | os.PathLike[str] | None = None,
    *,
    tracking_uri: str | os.PathLike[str] | None = None,
    workspace: str | None = None,
    whole_runs: bool = False,
) -> Result[ImportReport, MlopusError]:
    """Take what mlOpus 1.x cached into a cache of this mlopus: metadata, and artifacts, which are hashed.

    The old folder is only read. What is added is copied, sharing bytes where the disk can. Importing
    again adds nothing; what the new cache took later stays. Read it with `text_codec="mlopus-1"`,
    which reads values as mlOpus 1.x did.

    That cache did not record which server it was of, nor which folders it had fetched whole. An
    artifact is taken to be a model version's path, or what is at the top of a run's folder, or where
    a folder holds nothing but another folder, that one. What else was only part of something is
    `NotCached`, and can be fetched again.

    Args:
        folder: The cache_dir of mlOpus 1.x.
        into: The cache folder to import into; None is the one that `connect` uses.
        tracking_uri: Of the server that the old cache was of, as for `connect`; what is imported then
            serves an API of that server. None is MLFLOW_TRACKING_URI; without that it is kept as of an
            origin named after the folder, and an API without a URI finds it, if it is the only one there.
        workspace: Of the server, where it has several.
        whole_runs: Take each run's folder as a whole, as mlOpus 1.x did: only where nothing but whole
            runs was cached.

    Returns:
        What was added; what could not be read is in its `faults`, and everything else was imported.

    Fails with:
        UnreadableCache: `folder` is no cache of mlOpus 1.x, or `into` is one, or is no cache.
        StoreFailed: `folder` cannot be read, or `into` cannot be written.
        IllegalPath: One of the folders is inside the other.
        ConflictingOptions: No URI is given, and `into` holds what is of a server.

    Raises:
        ValueError: The URI is none that `connect` takes.

    Example:
        >>> import mlopus, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     old = pathlib.Path(home, "old", "metadata", "exp")
        ...     old.mkdir(parents=True)
        ...     written = (old / "1").write_text('{"id": "1", "name": "demo", "tags": {"team": "search"}}')
        ...     report = mlopus.import_cache(f"{home}/old", into=f"{home}/new").unwrap()
        ...     api = mlopus.connect(cache_dir=f"{home}/new", offline_mode=True, text_codec="mlopus-1")
        ...     report.entities, api.get_exp_by_name("demo").unwrap().tags["team"]
        (1, 'search')
    """
    from mlopus.api.importer import Importer
    from mlopus.plans.facts import ProtectedRoot
    from mlopus.plans.protected import protected_fault
    from mlopus.repositories.disk.mlopus1 import checked

    old_folder: str = os.path.realpath(os.path.expanduser(os.fspath(folder)))
    settings: dict[str, Any] = {"offline_mode": True, "text_codec": "mlopus-1"}
    settings |= {} if into is None else {"cache_dir": into}
    settings |= {} if workspace is None else {"workspace": workspace}
    wiring = wiring_of(tracking_uri, **settings)
    new_folder = os.path.realpath(wiring.cache_folder)
    fault = protected_fault(old_folder, (ProtectedRoot(path=new_folder, kind="cache"),))
    if fault is not None:
        return Failure(fault)
    old = checked(old_folder)
    if isinstance(old, Failure):
        return old
    opened = _repositories(wiring, old_folder, new_folder)
    if isinstance(opened, Failure):
        return opened
    made = opened.unwrap().cache_folders.create(new_folder)
    if isinstance(made, Failure):
        return made
    return Importer(old.unwrap(), opened.unwrap(), new_folder, whole_runs=whole_runs).run()


def _repositories(wiring: Wiring, old_folder: str, new_folder: str) -> Result[Repositories, MlopusError]:
    """The caches of the server that is named, or of an origin of its own."""
    from mlopus.api.client import MlflowApi
    from mlopus.domain.origin import Origin
    from mlopus.plans.facts import TrackingFacts
    from mlopus.repositories.disk.layout import read_cache_id
    from mlopus.repositories.offline import OfflineTracking
    from mlopus.repositories.sqlite.metadata_cache import origins_in

    usable = read_cache_id(new_folder)
    if isinstance(usable, Failure):
        return usable
    if wiring.uri is not None:
        return Success(MlflowApi.wired(wiring).repositories)
    own = Origin(uri=f"mlopus-1:{quote(old_folder)}")
    others = [origin for origin in origins_in(new_folder) if origin != own]
    if others:
        reason = f"the cache holds what is of {others[0]}, and the server of the old one is not named"
        hint = "Pass tracking_uri, the server of the old cache; or import into a new folder."
        return Failure(ConflictingOptions(options=("into", "tracking_uri"), reason=reason, hint=hint))
    tracking = OfflineTracking(origin=own, facts=TrackingFacts(origin=own, requests_cost=False))
    return Success(MlflowApi(tracking=tracking, settings=wiring.settings).repositories)
