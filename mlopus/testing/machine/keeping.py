"""Rules about what stays in the cache: pins, links at targets, and what is evicted or cleaned."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from mlopus.result import or_raise
from mlopus.testing.machine.artifacts import PATHS
from mlopus.testing.machine.base import BaseMachine, agrees, runs

some_paths = st.sampled_from(PATHS)


class KeepingRules(BaseMachine):
    """What is done to the cache as a whole."""

    @rule(run=runs, path=some_paths)
    def pin(self, run: str, path: str) -> None:
        """Let nothing evict a path."""
        agrees(self.api.pin(run, path), self.model.pin(run, path))

    @rule(run=runs, path=some_paths)
    def unpin(self, run: str, path: str) -> None:
        """Let it be evicted again."""
        agrees(self.api.unpin(run, path), None)
        self.model.unpin(run, path)

    @rule()
    def collect_what_is_old(self) -> None:
        """Evict what was not used for a day, which is nothing."""
        agrees(self.api.gc(max_bytes=0), None)

    @rule()
    def collect_all(self) -> None:
        """Evict all that nothing needs. Links into a cache in memory are seen by that cache only."""
        if self.is_on_disk():
            agrees(self.api.evolve(grace_s=0).gc(max_bytes=0), None)
            self.model.evict()

    @rule()
    def clean_all_cache(self) -> None:
        """Forget everything but what is pinned; links at targets are taken away before."""
        for name, placed in list(self.model.targets.items()):
            if placed.link is not None:
                self.remove_target(name)
        agrees(self.api.clean_all_cache(), None)
        self.model.clean_all()

    @rule()
    def verify(self) -> None:
        """Every byte that is cached is what was committed."""
        assert or_raise(self.api.verify()).is_sound
