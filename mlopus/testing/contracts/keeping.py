"""What must hold of whoever records pins and placements."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import attrs

from mlopus.domain.manifest import ArtifactSubject
from mlopus.errors import StoreFailed
from mlopus.plans.keeping import Pin, Placement
from mlopus.ports.keeping import Keeping
from mlopus.result import Success

RUN_PIN = Pin(origin_key="server-1", subject=ArtifactSubject(kind="run", key="3f2a"), path="model")
URL_PIN = Pin(origin_key="server-2", subject=ArtifactSubject(kind="url", key="s3://b/größe ?"), path="")
PLACED = Placement(target="/home/user/model", tree_key="a" * 64, path="data")
ODD = Placement(target="/home/\udcff/two words", tree_key="b" * 64, path="")


@attrs.frozen(kw_only=True)
class KeepingCase:
    """What is to be tested, empty.

    Attributes:
        keeping: Records pins and placements.
        reopen: Gives the same as another process would find it.
        read_only: The like of it where nothing can be written.
    """

    keeping: Keeping
    reopen: Callable[[], Keeping]
    read_only: Keeping


class KeepingContract:
    """Inherit from this, name the class `Test…`, and give a fixture `kept`: a `KeepingCase`."""

    def test_at_first_nothing_is_pinned_or_placed(self, kept: KeepingCase) -> None:
        assert kept.keeping.pins() == Success(())
        assert kept.keeping.placements() == Success(())

    def test_pins_are_seen_by_others_in_order(self, kept: KeepingCase) -> None:
        kept.keeping.pin(URL_PIN).unwrap()
        kept.keeping.pin(RUN_PIN).unwrap()

        assert kept.reopen().pins() == Success((RUN_PIN, URL_PIN))

    def test_pinning_twice_is_pinning_once(self, kept: KeepingCase) -> None:
        kept.keeping.pin(RUN_PIN).unwrap()
        kept.keeping.pin(RUN_PIN).unwrap()

        assert kept.keeping.pins() == Success((RUN_PIN,))

    def test_what_is_unpinned_is_gone_and_nothing_else(self, kept: KeepingCase) -> None:
        inner = attrs.evolve(RUN_PIN, path="model/data")
        for pin in (RUN_PIN, inner, URL_PIN):
            kept.keeping.pin(pin).unwrap()

        kept.keeping.unpin((RUN_PIN, inner)).unwrap()

        assert kept.reopen().pins() == Success((URL_PIN,))

    def test_unpinning_what_is_not_pinned_is_nothing(self, kept: KeepingCase) -> None:
        assert kept.keeping.unpin((RUN_PIN,)) == Success(None)
        assert kept.keeping.unpin(()) == Success(None)

    def test_placements_are_seen_by_others_whatever_their_names(self, kept: KeepingCase) -> None:
        kept.keeping.record(PLACED).unwrap()
        kept.keeping.record(ODD).unwrap()

        assert kept.reopen().placements() == Success((PLACED, ODD))

    def test_what_a_target_showed_before_stays_recorded_beside_what_it_is_to_show(
        self, kept: KeepingCase
    ) -> None:
        later = attrs.evolve(PLACED, tree_key="c" * 64)
        kept.keeping.record(PLACED).unwrap()
        kept.keeping.record(later).unwrap()

        assert kept.keeping.placements() == Success((PLACED, later))

    def test_of_one_tree_there_is_one_placement_at_a_target(self, kept: KeepingCase) -> None:
        whole = attrs.evolve(PLACED, path="")
        kept.keeping.record(PLACED).unwrap()
        kept.keeping.record(whole).unwrap()

        assert kept.keeping.placements() == Success((whole,))

    def test_only_the_very_placement_is_forgotten(self, kept: KeepingCase) -> None:
        kept.keeping.record(PLACED).unwrap()
        kept.keeping.record(ODD).unwrap()

        kept.keeping.forget((attrs.evolve(PLACED, path=""), ODD)).unwrap()

        assert kept.reopen().placements() == Success((PLACED,))

    def test_it_can_be_pickled(self, kept: KeepingCase) -> None:
        kept.keeping.pin(RUN_PIN).unwrap()

        copy: Keeping = pickle.loads(pickle.dumps(kept.keeping))  # noqa: S301 (what this test pickled)

        assert copy.pins() == Success((RUN_PIN,))

    def test_where_nothing_can_be_written_that_is_said(self, kept: KeepingCase) -> None:
        refused = (
            kept.read_only.pin(RUN_PIN),
            kept.read_only.unpin((RUN_PIN,)),
            kept.read_only.record(PLACED),
            kept.read_only.forget((PLACED,)),
        )

        assert all(isinstance(answer.failure(), StoreFailed) for answer in refused)
        assert (kept.keeping.is_writable, kept.read_only.is_writable) == (True, False)
        assert kept.read_only.pins() == Success(())
