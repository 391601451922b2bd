"""A state machine that uses an API at random, and a model of plain dicts that predicts every answer.

Rules publish, log, register, cache, get, list, open, place, pin, evict, clean, tamper, verify, go offline
and online, open anew and look from a fork, on paths that overlap; another client publishes meanwhile.
What the model predicts is compared by value, failures too. Another machine writes offline and flushes.
Needs the extra `testing`.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from mlopus.testing.machine.artifacts import ArtifactRules
from mlopus.testing.machine.base import OpenApi, runs
from mlopus.testing.machine.journal import JournalMachine
from mlopus.testing.machine.keeping import KeepingRules
from mlopus.testing.machine.metadata import MetadataRules

__all__ = ["ApiMachine", "JournalMachine", "OpenApi", "run_state_machine"]


def run_state_machine(
    open_api: OpenApi,
    *,
    examples: int = 100,
    steps: int = 30,
    shrinks: bool = True,
    journal: bool = False,
) -> int:
    """Run the machine on repositories of one's own; raises what differs first, with the steps to it.

    Args:
        open_api: Called with a new folder for each example, and with the same one again where the
            machine opens anew. Two APIs for two folders share nothing but, perhaps, a server.
        examples: How many times to start afresh.
        steps: The most steps of each.
        shrinks: Look for the fewest steps to a difference, which takes a while.
        journal: Run the machine that writes offline and flushes instead; it sets `journal` itself.

    Returns:
        How many steps were taken in all.

    Raises:
        AssertionError: The repositories did not do what the model predicts.

    Example:
        >>> import mlopus
        >>> opened = {}
        >>> def open_api(folder):
        ...     return opened.setdefault(folder, mlopus.testing.in_memory())
        >>> run_state_machine(open_api, examples=2, steps=5) <= 10
        True
    """
    taken: list[None] = []

    kind: Any = JournalMachine if journal else ApiMachine

    def begin(machine: Any) -> None:
        kind.__init__(machine, open_api)

    @invariant()
    def count(machine: Any) -> None:  # noqa: ARG001 (an invariant takes a machine)
        taken.append(None)

    made: Any = type(kind.__name__, (kind,), {"__init__": begin, "count": count})
    run_state_machine_as_test(
        made,  # Hypothesis makes it for each example, without arguments
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=[phase for phase in Phase if shrinks or phase in {Phase.explicit, Phase.generate}],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    return len(taken)


class ApiMachine(MetadataRules, ArtifactRules, KeepingRules):
    """Does to an API and to the model the same, and compares what both answer."""

    @rule(offline=st.booleans())
    def go_offline_or_online(self, offline: bool) -> None:
        """Change the mode."""
        self.model.offline = offline

    @rule()
    def open_anew(self) -> None:
        """What is held is there for who opens it later."""
        self.opened = self._open(self._store)

    @rule(run=runs)
    def look_from_a_fork(self, run: str) -> None:
        """A forked process finds the same in the cache, offline: what it read online would be cached too."""
        child = os.fork()
        if child == 0:
            self.model.offline = True
            try:
                self.get_run(run)
                self.list_artifacts(run, "")
            except BaseException:  # noqa: BLE001 (told by the code; nothing of the parent may run here)
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
