"""What the cache shows of a request that waits: worked out anew where the cache has lost it."""

from __future__ import annotations

from mlopus.domain.manifest import Manifest
from mlopus.errors import MlopusError
from mlopus.plans.envelope import gathered, make_plan
from mlopus.plans.facts import Facts
from mlopus.plans.plan import NoAnswer, Plan
from mlopus.plans.queueing import changes_meant, shown_changes
from mlopus.plans.queueing_bytes import registration, seen_on_run, shown_bytes
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, WriteRequest
from mlopus.result import Failure, Result, Success


def plan_showing(request: WriteRequest, held: Manifest | None, facts: Facts) -> Result[Plan, MlopusError]:
    """Show a request that is queued already; doing so twice shows it once.

    Args:
        request: As it was queued, with entities called as they are now.
        held: The tree with the bytes of a publish.
        facts: As for queueing it; the journal's mark is that of the entry.

    Fails with:
        MlopusError: What queueing it would fail with now.
    """
    if not isinstance(request, LogRunArtifact | LogModelVersion):
        found = changes_meant(request, facts)
        if isinstance(found, Failure):
            return found
        return Success(make_plan(request, facts, (shown_changes(found.unwrap(), facts),), NoAnswer()))
    registered = registration(request, facts)
    if isinstance(registered, Failure):
        return registered
    shown = shown_bytes(request, gathered(held, "the held tree"), facts)
    if isinstance(shown, Failure):
        return shown
    stages = (*shown.unwrap(), shown_changes((*registered.unwrap(), seen_on_run(request)), facts))
    return Success(make_plan(request, facts, stages, NoAnswer()))
