"""Planning pins: which paths nothing may evict."""

from __future__ import annotations

from mlopus.domain.paths import overlaps, path_below
from mlopus.errors import IllegalPath, NotCached, StoreFailed
from mlopus.plans.envelope import gathered, make_plan, read_only_cache
from mlopus.plans.facts import Facts
from mlopus.plans.keeping import Pin
from mlopus.plans.keeping_requests import PinArtifact, UnpinArtifact
from mlopus.plans.keeping_steps import PinPath, RemovePins
from mlopus.plans.plan import Plan, ReceiptAnswer, Stage
from mlopus.plans.requests import ArtifactOf
from mlopus.plans.tables import path_fault
from mlopus.plans.verbs import artifact_key, title_of
from mlopus.result import Failure, Result, Success


def plan_pin(request: PinArtifact, facts: Facts) -> Result[Plan, IllegalPath | NotCached | StoreFailed]:
    """Work out what pins a path: one record, if there is none yet.

    Needs the location, what the cache holds there, and the pins.

    Fails with:
        IllegalPath: It is no plain relative path.
        NotCached: Nothing is cached at, above or below the path, so there is nothing to keep.
        StoreFailed: The cache cannot be written.
    """
    location = gathered(facts.location, "the location")
    keeping, cache = gathered(facts.keeping, "the pins"), gathered(facts.cache, "the cache")
    fault = path_fault(location.path)
    if fault is not None:
        return Failure(fault)
    pin = Pin(origin_key=keeping.origin_key, subject=location.subject, path=location.path)
    held = [entry for entry in cache.entries if overlaps(entry.path, location.path)]
    stages: tuple[Stage, ...] = ()
    if pin not in keeping.pins:
        if not held:
            words = artifact_key(ArtifactOf(owner=request.owner, path=request.path))
            place = f"the cache of {facts.tracking.origin}"
            return Failure(NotCached(kind="artifact", key=words, place=place))
        if not cache.is_writable:
            return Failure(read_only_cache(title_of(request)))
        keys = tuple(sorted({entry.tree_key for entry in held}))
        stages = ((PinPath(pin=pin, tree_keys=keys),),)
    return Success(make_plan(request, facts, stages, ReceiptAnswer()))


def plan_unpin(request: UnpinArtifact, facts: Facts) -> Result[Plan, IllegalPath | StoreFailed]:
    """Work out which pins go: those at and below a path.

    Needs the location and the pins.

    Fails with:
        IllegalPath: It is no plain relative path.
        StoreFailed: The cache cannot be written.
    """
    location = gathered(facts.location, "the location")
    keeping, cache = gathered(facts.keeping, "the pins"), gathered(facts.cache, "the cache")
    fault = path_fault(location.path)
    if fault is not None:
        return Failure(fault)
    pins = tuple(
        pin
        for pin in sorted(keeping.pins, key=lambda pin: pin.order)
        if pin.origin_key == keeping.origin_key
        and pin.subject == location.subject
        and path_below(pin.path, location.path) is not None
    )
    if pins and not cache.is_writable:
        return Failure(read_only_cache(title_of(request)))
    return Success(make_plan(request, facts, ((RemovePins(pins=pins),) if pins else (),), ReceiptAnswer()))
