"""Whether a source may be published, before anything is compared or moved."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from mlopus.domain.paths import scheme_of
from mlopus.errors import IllegalPath
from mlopus.plans.facts import Facts, SourceFacts, StoreFacts
from mlopus.plans.protected import is_inside, protected_fault
from mlopus.plans.publish_policy import PublishPolicy
from mlopus.plans.requests import PublishRequest
from mlopus.plans.tables import path_fault, table_fault

_KEEP_HINT = "Keep the source and allow duplication, or replace the links by what they show."


def source_fault(
    request: PublishRequest, source: SourceFacts, policy: PublishPolicy, facts: Facts
) -> IllegalPath | None:
    """Why a source is not published to a path; None if it may be."""
    path = request.path_in_run
    if path == "" and source.is_file:
        return IllegalPath(path=path, reason="is the root of the run, and a file needs a name there")
    if not source.files:
        return IllegalPath(path=source.path, reason="holds no files to publish")
    return (
        path_fault(path)
        or table_fault((file.path for file in source.files), source.empty_folders)
        or _protected(request, source, policy, facts)
        or link_fault(source, is_moved=policy.removes_source)
    )


def _protected(
    request: PublishRequest, source: SourceFacts, policy: PublishPolicy, facts: Facts
) -> IllegalPath | None:
    """Nothing comes from the cache but what a callback wrote, now or before a failure.

    A store on this disk may be copied from, as long as the source stays what it is.
    """
    if request.from_callback:
        return None
    for root in facts.protected:
        is_copied = root.kind == "store" and not policy.takes_source and is_inside(source.path, root.path)
        is_kept = root.temporary is not None and is_inside(source.path, root.temporary)
        fault = None if is_copied or is_kept else protected_fault(source.path, (root,))
        if fault is not None:
            return fault
    return None


def overlap_fault(source: SourceFacts, store: StoreFacts, store_url: str) -> IllegalPath | None:
    """Why a source cannot be published onto itself."""
    target = local_path(store_url) if store.is_local else None
    if target is None or not (is_inside(source.path, target) or is_inside(target, source.path)):
        return None
    return IllegalPath(path=source.path, reason=f"is where it would be published to ({target}), or around it")


def local_path(url: str) -> str | None:
    """The path of a URL on this disk; None if it names none.

    Example:
        >>> local_path("file:///data/run"), local_path("/data/run"), local_path("s3://data/run")
        ('/data/run', '/data/run', None)
    """
    if scheme_of(url) != "file":
        return None
    return unquote(urlsplit(url).path) if url.lower().startswith("file:") else url


def link_fault(source: SourceFacts, *, is_moved: bool) -> IllegalPath | None:
    """Why a source with links cannot be taken from where it is; None if it can, or is not taken."""
    links = sorted((*source.links_inside, *source.links_leaving))
    if not links or not is_moved:
        return None
    return IllegalPath(
        path=links[0], reason="is a link, and the source is not left as it is", hint=_KEEP_HINT
    )
