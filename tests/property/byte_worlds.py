"""What worlds of bytes hold, told as contents: what laws of plans compare."""

from __future__ import annotations

from mlopus.domain.manifest import Entry
from mlopus.domain.paths import join_url
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.proofs import covering, part_at
from mlopus.plans.symbols import content_symbol
from mlopus.plans.trees import hit, is_used_in_place, must_revalidate
from mlopus.testing.strategies_plans import CONTENTS, World, digest


def contents(world: World) -> dict[str, str]:
    """What each digest and each symbol stands for."""
    location, store = gathered(world.facts.location, "location"), gathered(world.facts.store, "store")
    url, listing = join_url(location.root_url, location.path), gathered(store.listing, "listing")
    symbols = {content_symbol(url, file): world.remote.contents[file.path] for file in listing.files}
    return {digest(content): content for content in CONTENTS} | symbols


def answering(facts: Facts) -> Entry:
    """The entry that answers for the location."""
    return gathered(covering(facts.cache, gathered(facts.location, "location")), "entry")


def cached_contents(world: World, facts: Facts) -> dict[str, str]:
    """What the cache holds at the location."""
    return contents_in(facts.cache, world, facts)


def contents_in(cache: CacheFacts | None, world: World, facts: Facts) -> dict[str, str]:
    """What a cache holds at the location."""
    location, named = gathered(facts.location, "location"), contents(world)
    entry = gathered(covering(cache, location), "entry")
    part = gathered(part_at(cache, entry, location.path), "part")
    return {file.path: named[file.sha256] for file in part.files}


def wanted_contents(world: World) -> dict[str, str]:
    """What having the artifact means: a hit as it was cached, else what the store holds."""
    facts = world.facts
    if hit(facts) is None or must_revalidate(facts) or is_used_in_place(facts):
        return dict(world.remote.contents)
    return cached_contents(world, facts)
