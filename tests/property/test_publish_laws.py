"""Laws of publishing: the store holds the source, nothing is mixed or lost, trying again ends the same."""

from __future__ import annotations

import attrs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlopus.domain.records import OPERATION_TAG, VersionRecord
from mlopus.errors import AlreadyExists, ConflictingOptions, IllegalPath, PathInUse
from mlopus.plans.envelope import gathered
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.proofs import covering, part_at
from mlopus.plans.publish_policy import publish_policy
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishRequest
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CommitTree, RemoveFiles, RemoveRemoteFiles, UploadFiles
from mlopus.result import Failure, Success
from mlopus.testing.strategies_plans import CONTENTS, World, digest, first_steps, publishes


def what_the_store_has(world: World, plan: Plan) -> dict[str, str]:
    """The contents in the store after a publish, told from what was there and what was sent."""
    named = {digest(content): content for content in CONTENTS}
    held = dict(world.remote.contents)
    for step in plan.steps:
        if isinstance(step, UploadFiles):
            held |= {upload.file.path: named[upload.file.sha256] for upload in step.files}
        if isinstance(step, RemoveRemoteFiles):
            held = {path: held[path] for path in held if path not in {file.path for file in step.files}}
    return held


@given(publishes())
def test_publishing_makes_the_store_hold_the_source(made: tuple[PublishRequest, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    if isinstance(found, Failure):
        kinds = (IllegalPath, ConflictingOptions, PathInUse, AlreadyExists)
        assert isinstance(found.failure(), kinds)
        return
    source, done = gathered(world.facts.source, "source"), simulate(world.facts, found.unwrap())
    listing = gathered(gathered(done.store, "store").listing, "listing")
    named = {digest(content): content for content in CONTENTS}
    held = what_the_store_has(world, found.unwrap())
    assert {file.path: named[file.sha256] for file in source.files}.items() <= held.items()
    assert [file.path for file in listing.files] == sorted(held)
    is_mirror = isinstance(request, LogRunArtifact) and request.mirror
    if is_mirror:
        assert held.keys() == {file.path for file in source.files}
    else:
        assert held.keys() >= world.remote.contents.keys()


@settings(max_examples=4 * settings.default.max_examples)  # about one in four caches something
@given(publishes())
def test_what_a_publish_caches_is_what_the_store_holds_then(made: tuple[PublishRequest, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    if isinstance(found, Failure) or not any(isinstance(s, CommitTree) for s in found.unwrap().steps):
        return
    done = simulate(world.facts, found.unwrap())
    location = gathered(done.location, "location")
    entry = covering(done.cache, location)
    part = part_at(done.cache, entry, location.path) if entry is not None else None
    if part is None:
        return
    named = {digest(content): content for content in CONTENTS}
    held = what_the_store_has(world, found.unwrap())
    cached = {file.path: named.get(file.sha256) for file in gathered(part, "part").files}
    assert cached.keys() == held.keys()
    assert all(held[path] == content for path, content in cached.items() if content is not None)


@given(publishes())
def test_publishing_again_sends_at_most_what_cannot_be_proven(made: tuple[PublishRequest, World]) -> None:
    request, world = made
    first = plan(request, world.facts)
    assume(isinstance(first, Success))
    done = simulate(world.facts, first.unwrap())
    source, store = gathered(done.source, "source"), gathered(done.store, "store")
    again = plan(request, done)
    if not source.files or (source.links_leaving and isinstance(again, Failure)):
        assert isinstance(again.failure(), IllegalPath)
        return
    uploads = [step for step in again.unwrap().steps if isinstance(step, UploadFiles)]
    if "sha256" in store.tells or isinstance(request, LogModelVersion):
        assert again.unwrap().is_empty
    assert all(upload.reason == "unproven" for step in uploads for upload in step.files)
    held = what_the_store_has(world, first.unwrap())
    later = World(facts=done, remote=attrs.evolve(world.remote, contents=held))
    assert what_the_store_has(later, again.unwrap()) == held


@given(publishes(), st.integers(0, 8))
def test_publishing_that_is_cut_anywhere_and_planned_again_converges(
    made: tuple[PublishRequest, World], steps: int
) -> None:
    request, world = made
    facts = attrs.evolve(world.facts, versions_of_run=())
    first = plan(request, facts)
    assume(isinstance(first, Success))
    whole = what_the_store_has(world, first.unwrap())
    begun = first_steps(first.unwrap(), steps)
    cut = simulate(facts, begun)
    source = gathered(cut.source, "source")
    now = World(facts=cut, remote=attrs.evolve(world.remote, contents=what_the_store_has(world, begun)))
    again = plan(request, cut)
    if source.files:
        assert what_the_store_has(now, again.unwrap()) == whole
        cut = simulate(cut, again.unwrap())
    else:
        assert now.remote.contents == whole
    if isinstance(request, LogModelVersion):
        registered = [r for r in cut.records if isinstance(r, VersionRecord)]
        assert [r.tags[OPERATION_TAG] for r in registered] == [request.operation_id]


@given(publishes())
def test_a_source_goes_only_if_the_policy_says_so_and_the_plan_names_it(
    made: tuple[PublishRequest, World],
) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    cache, store = gathered(world.facts.cache, "cache"), gathered(world.facts.store, "store")
    policy = publish_policy(request.options, request.from_callback, store.is_local, cache.can_reflink)
    named = {file for s in found.unwrap().steps if isinstance(s, RemoveFiles) for file in s.files}
    source = gathered(world.facts.source, "source")
    assert named == (set(source.files) if policy.unwrap().removes_source else set())
