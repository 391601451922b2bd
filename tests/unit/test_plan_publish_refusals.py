"""What a publish refuses, all of it before the first byte moves."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ModelKey, RunKey
from mlopus.domain.manifest import RemoteTree
from mlopus.domain.records import VersionRecord
from mlopus.errors import (
    AlreadyExists,
    ConflictingOptions,
    IllegalPath,
    InvalidRequest,
    MlopusError,
    NotFound,
    OfflineMode,
    StoreFailed,
    ValueTooLong,
)
from mlopus.plans.facts import Facts, ProtectedRoot, SettingsFacts, SourceFacts, StoreFacts
from mlopus.plans.plan import Plan
from mlopus.plans.publish import plan_publish
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishOptions, PublishRequest
from tests.unit.plan_facts import (
    DISK,
    EXP,
    MODEL,
    RUN,
    S3,
    listed,
    of_artifact,
    source,
)

VERSION = VersionRecord(name="ranker", version="3", source=f"{RUN.repo}/ranker", run_id=RUN.id)
LOG = LogRunArtifact(
    run=RunKey(RUN.id),
    source="./model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    mirror=False,
    overwrite=False,
)
REGISTER = LogModelVersion(
    model=ModelKey("ranker"),
    run=RunKey(RUN.id),
    source="./model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    version=None,
    tags=immutabledict({"n": 1}),
    overwrite=False,
    operation_id="op",
)
TWO = source({"a": "one", "b": "two"})
FILE = source({"": "one"})


def facts(there: SourceFacts = TWO, listing: RemoteTree | None = None, *, store: StoreFacts = S3) -> Facts:
    found = of_artifact(listing=listing or listed(), store=store)
    return attrs.evolve(found, source=there, records=(MODEL, RUN, EXP))


def planned(request: PublishRequest, given: Facts) -> Plan:
    return plan_publish(request, given).unwrap()


def refused(request: PublishRequest, given: Facts) -> MlopusError:
    return plan_publish(request, given).failure()


def with_options(request: PublishRequest, **options: bool) -> PublishRequest:
    return attrs.evolve(request, options=PublishOptions(**options))


@pytest.mark.parametrize("links", [{"links_inside": ("a",)}, {"links_leaving": ("a",)}])
def test_a_source_with_links_is_not_taken_away(links: dict[str, tuple[str, ...]]) -> None:
    given = facts(source({"a": "one"}, **links))
    assert isinstance(refused(with_options(LOG, keep_the_source=False), given), IllegalPath)


def test_a_single_file_needs_a_name_in_the_run() -> None:
    given = facts(FILE)
    assert given.location is not None
    root = attrs.evolve(given, location=attrs.evolve(given.location, path=""))
    assert isinstance(refused(attrs.evolve(LOG, path_in_run=""), root), IllegalPath)


@pytest.mark.parametrize(
    ("roots", "store"),
    [
        ((ProtectedRoot(path="/home/user", kind="cache"),), S3),
        ((ProtectedRoot(path="/home/user/model/cache", kind="cache"),), S3),
        ((ProtectedRoot(path="/home/user/model/store", kind="store"),), DISK),
    ],
)
def test_a_source_inside_or_around_the_cache_is_refused(
    roots: tuple[ProtectedRoot, ...], store: StoreFacts
) -> None:
    assert isinstance(refused(LOG, attrs.evolve(facts(store=store), protected=roots)), IllegalPath)


def test_a_file_of_a_store_may_be_copied_from_and_not_taken() -> None:
    given = attrs.evolve(facts(), protected=(ProtectedRoot(path="/home/user", kind="store"),))
    assert not planned(LOG, given).is_empty
    assert isinstance(refused(with_options(LOG, keep_the_source=False), given), IllegalPath)


def test_a_source_is_not_published_onto_itself() -> None:
    given = facts(store=DISK)
    assert given.location is not None
    given = attrs.evolve(
        given, location=attrs.evolve(given.location, root_url="file:///home/user", path="model")
    )
    assert isinstance(refused(attrs.evolve(LOG, path_in_run="model"), given), IllegalPath)


def test_a_source_without_files_is_refused() -> None:
    assert isinstance(refused(LOG, facts(source({}))), IllegalPath)


def test_a_version_number_is_refused() -> None:
    assert isinstance(refused(attrs.evolve(REGISTER, version="7"), facts()), InvalidRequest)


def test_a_model_that_is_not_there_is_found_out_before_the_first_byte() -> None:
    assert isinstance(refused(REGISTER, attrs.evolve(facts(), records=(RUN, EXP))), NotFound)


def test_a_tag_that_is_too_long_is_found_out_before_the_first_byte() -> None:
    request = attrs.evolve(REGISTER, tags=immutabledict({"t": "x" * 8001}))
    assert isinstance(refused(request, facts()), ValueTooLong)


def test_options_that_conflict_are_refused() -> None:
    request = with_options(LOG, allow_duplication=False)
    assert isinstance(refused(request, facts(store=DISK)), ConflictingOptions)


def test_offline_nothing_is_published() -> None:
    given = attrs.evolve(facts(), settings=SettingsFacts(mode="offline"))
    assert isinstance(refused(LOG, given), OfflineMode)


@pytest.mark.parametrize(("use_cache", "fails"), [(None, False), (True, True)])
def test_a_cache_that_cannot_be_written_is_used_only_by_who_insists(
    use_cache: bool | None, fails: bool
) -> None:
    given = facts()
    assert given.cache is not None
    given = attrs.evolve(given, cache=attrs.evolve(given.cache, is_writable=False))
    request = attrs.evolve(LOG, options=PublishOptions(use_cache=use_cache))
    result = plan_publish(request, given)
    assert isinstance(result.failure(), StoreFailed) if fails else not result.unwrap().is_empty


@pytest.mark.parametrize("request_", [LOG, attrs.evolve(LOG, mirror=True, overwrite=True), REGISTER])
def test_nothing_is_published_below_a_file(request_: PublishRequest) -> None:
    error = refused(request_, facts(store=attrs.evolve(S3, file_above="ranker")))

    assert isinstance(error, AlreadyExists)
    assert (error.kind, error.key, error.place) == ("artifact", "ranker", RUN.repo)
    assert "another path" in (error.hint or "")
