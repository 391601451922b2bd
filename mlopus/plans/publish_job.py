"""A publish with everything it needs to know, and what follows from that."""

from __future__ import annotations

import attrs

from mlopus.domain.manifest import ArtifactLocation, RemoteFile, RemoteTree
from mlopus.domain.paths import join_url
from mlopus.domain.records import OPERATION_TAG, VersionRecord
from mlopus.errors import ConflictingOptions, IllegalPath, StoreFailed
from mlopus.plans.envelope import gathered, read_only_cache
from mlopus.plans.facts import Facts, SourceFacts, StoreFacts
from mlopus.plans.proofs import Proofs
from mlopus.plans.publish_bytes import Difference, difference
from mlopus.plans.publish_policy import PublishPolicy, publish_policy
from mlopus.plans.publish_source import overlap_fault, source_fault
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishRequest
from mlopus.plans.tables import still_empty, table_fault
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success


@attrs.frozen(kw_only=True)
class Job:
    """A publish with the facts it needs, all there.

    `registered` is the version that this very operation has registered before: its bytes are there.
    """

    request: PublishRequest
    facts: Facts
    location: ArtifactLocation
    store: StoreFacts
    listing: RemoteTree
    source: SourceFacts
    policy: PublishPolicy
    proofs: Proofs
    difference: Difference
    registered: VersionRecord | None

    @property
    def store_url(self) -> str:
        """Where the source goes."""
        return join_url(self.location.root_url, self.location.path)

    @property
    def removed(self) -> tuple[RemoteFile, ...]:
        """Files that the store loses."""
        is_mirror = isinstance(self.request, LogRunArtifact) and self.request.mirror
        return self.difference.left if is_mirror else ()

    @property
    def left(self) -> tuple[RemoteFile, ...]:
        """Files that stay in the store beside those of the source."""
        return () if self.removed else self.difference.left

    @property
    def empty_folders(self) -> tuple[str, ...]:
        """The empty folders that the store has afterwards: only disks keep any."""
        if not self.store.is_local:
            return ()
        files = [file.path for file in self.source.files] + [file.path for file in self.left]
        return still_empty((*self.source.empty_folders, *self.listing.empty_folders), files)

    @property
    def changes_bytes(self) -> bool:
        """Whether anything in the store becomes another."""
        new_folders = frozenset(self.empty_folders) - frozenset(self.listing.empty_folders)
        return bool(self.difference.uploads or self.removed or new_folders)

    @property
    def registers(self) -> bool:
        """Whether a version is to be registered."""
        return isinstance(self.request, LogModelVersion) and self.registered is None

    @property
    def moves(self) -> bool:
        """Whether the store takes files from the source, rather than copies.

        Not before a registration, and not for a mirror: a stop in between would leave less of the
        source than a second try needs. The source then goes last, whole.
        """
        is_plain = isinstance(self.request, LogRunArtifact) and not self.request.mirror
        return self.policy.upload_moves and is_plain

    @property
    def uploads(self) -> bool:
        """Whether there is an upload step; before a registration it also shows what is there already."""
        return self.changes_bytes or (self.registers and bool(self.difference.kept))


def job_of(
    request: PublishRequest, facts: Facts
) -> Result[Job, IllegalPath | ConflictingOptions | StoreFailed]:
    """Check the source, settle the options, and compare source and store."""
    location, store = gathered(facts.location, "the location"), gathered(facts.store, "the store")
    listing = gathered(store.listing, "the listing of the store")
    source = gathered(facts.source, "the source")
    policy = _policy(request, facts, store)
    if isinstance(policy, Failure):
        return policy
    fault = (
        source_fault(request, source, policy.unwrap(), facts)
        or overlap_fault(source, store, join_url(location.root_url, location.path))
        or table_fault((file.path for file in listing.files), listing.empty_folders)
    )
    if fault is not None:
        return Failure(fault)
    proofs = Proofs(location=location, cache=facts.cache)
    found = difference(source, listing, proofs)
    registered = _registered(request, facts)
    return Success(
        Job(
            request=request,
            facts=facts,
            location=location,
            store=store,
            listing=listing,
            source=source,
            policy=policy.unwrap(),
            proofs=proofs,
            difference=found if registered is None else found.as_sent(listing),
            registered=registered,
        )
    )


def _registered(request: PublishRequest, facts: Facts) -> VersionRecord | None:
    """The version that this very operation has registered before."""
    if not isinstance(request, LogModelVersion):
        return None
    versions = (record for record in facts.records if isinstance(record, VersionRecord))
    known = (*(version for version, _ in facts.versions_of_run), *versions)
    return next((v for v in known if v.tags.get(OPERATION_TAG) == request.operation_id), None)


def _policy(
    request: PublishRequest, facts: Facts, store: StoreFacts
) -> Result[PublishPolicy, ConflictingOptions | StoreFailed]:
    """The policy; a cache that cannot be written is used only by those who insist."""
    options = request.options
    is_writable = facts.cache is not None and facts.cache.is_writable
    if not is_writable and options.use_cache:
        return Failure(read_only_cache(title_of(request)))
    if not is_writable:
        options = attrs.evolve(options, use_cache=False)
    can_reflink = None if facts.cache is None else facts.cache.can_reflink
    return publish_policy(options, request.from_callback, store.is_local, can_reflink)
