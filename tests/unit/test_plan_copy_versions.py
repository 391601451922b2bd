"""What a copy is planned to do with versions and aliases."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import VersionKey
from mlopus.domain.records import ModelRecord, VersionRecord
from mlopus.errors import (
    AlreadyExists,
)
from mlopus.plans.changes import DeleteEntity
from mlopus.plans.copy_facts import HeldVersion, Holdings
from mlopus.plans.copy_steps import CopyFiles, CopyVersions
from mlopus.plans.envelope import gathered
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from tests.unit.copy_facts import (
    HELD_VERSION,
    REQUEST,
    TARGET,
    VERSION,
    after,
    facts_of,
    file,
    planned,
    step_of,
    tree,
)


def test_an_alias_names_the_copy_of_what_it_names() -> None:
    versions = step_of(planned(facts_of()), CopyVersions)

    assert versions.aliases == {"champion": "4"}
    assert [(one.source_version, one.path, one.source_run) for one in versions.versions] == [
        ("4", "ranker", "parent")
    ]


def test_versions_are_registered_in_the_order_of_their_numbers() -> None:
    def numbered(version: str) -> HeldVersion:
        record = attrs.evolve(VERSION, version=version, aliases=())
        return attrs.evolve(HELD_VERSION, record=record)

    facts = facts_of(versions=(numbered("10"), numbered("9"), numbered("2")))

    assert [one.source_version for one in step_of(planned(facts), CopyVersions).versions] == ["2", "9", "10"]


def test_an_alias_that_names_a_foreign_version_is_a_conflict() -> None:
    foreign = HeldVersion(record=VersionRecord(name="ranker", version="1", source="s3://b"), path_in_run=None)
    model = ModelRecord(name="ranker", aliases=immutabledict(champion="1"))
    target = Holdings(origin=TARGET, models=(model,), versions=(foreign,))
    failure = plan(REQUEST, facts_of(target=target)).failure()

    assert isinstance(failure, AlreadyExists)
    assert failure.key == "champion of ranker"


def test_an_alias_moves_between_copies() -> None:
    done = after(facts_of())
    newer = attrs.evolve(HELD_VERSION, record=attrs.evolve(VERSION, version="5"))
    older = attrs.evolve(HELD_VERSION, record=attrs.evolve(VERSION, aliases=()))
    copying = gathered(done.copying, "both")
    source = attrs.evolve(copying.source, versions=(older, newer))
    moved = attrs.evolve(done, copying=attrs.evolve(copying, source=source))

    assert step_of(planned(moved), CopyVersions).aliases == {"champion": "5"}
    assert planned(simulate(moved, planned(moved))).is_empty


def test_bytes_of_a_version_that_are_elsewhere_get_a_path_of_their_own() -> None:
    elsewhere = HeldVersion(record=VERSION, path_in_run=None, url="s3://m/1", tree=tree(file("MLmodel")))
    made = planned(facts_of(versions=(elsewhere,)))

    assert [(one.source_url, one.path) for one in step_of(made, CopyFiles).trees] == [
        ("/mine/7/parent", ""),
        ("s3://m/1", "models/ranker/4"),
    ]
    assert step_of(made, CopyVersions).versions[0].path == "models/ranker/4"


def test_of_two_versions_that_one_operation_registered_the_plan_deletes_the_later() -> None:
    done = after(facts_of())
    copying = gathered(done.copying, "both")
    (copy,) = copying.target.versions
    twin = attrs.evolve(copy, record=attrs.evolve(copy.record, version="2", aliases=()))
    target = attrs.evolve(copying.target, versions=(twin, copy))
    facts = attrs.evolve(done, copying=attrs.evolve(copying, target=target))
    again = planned(facts)

    assert again.steps[0] == DeleteEntity(key=VersionKey("ranker", "2"))
    assert planned(simulate(facts, again)).is_empty
