"""Who is asked for metadata, in each mode."""

from __future__ import annotations

import math

import attrs
import pytest

from mlopus.domain.keys import RunKey
from mlopus.errors import OfflineMode, StoreFailed
from mlopus.plans.facts import Facts, SettingsFacts
from mlopus.plans.fetch import plan_fetch
from mlopus.plans.plan import FetchedAnswer
from mlopus.plans.requests import CacheMeta, GetEntity
from mlopus.plans.steps import AskCache, AskServer, FetchEntity
from tests.unit.plan_facts import FACTS, only

KEY = RunKey("3f2a")
GET = GetEntity(key=KEY)
REFRESH = GetEntity(key=KEY, refresh=True)


def facts(settings: SettingsFacts, *, is_writable: bool = True) -> Facts:
    return attrs.evolve(FACTS, settings=settings, metadata_is_writable=is_writable)


def fetch(request: GetEntity | CacheMeta, facts: Facts) -> FetchEntity:
    return only(plan_fetch(request, facts).unwrap(), FetchEntity)


@pytest.mark.parametrize(
    ("request_", "settings", "ask"),
    [
        (GET, SettingsFacts(mode="online"), (AskServer(),)),
        (GET, SettingsFacts(mode="offline"), (AskCache(),)),
        (
            GET,
            SettingsFacts(mode="cache-first", max_age_s=60.0),
            (AskCache(max_age_s=60.0), AskServer(), AskCache()),
        ),
        (GET, SettingsFacts(mode="cache-first", max_age_s=math.inf), (AskCache(), AskServer())),
        (REFRESH, SettingsFacts(mode="online"), (AskServer(),)),
        (REFRESH, SettingsFacts(mode="cache-first", max_age_s=60.0), (AskServer(),)),
        (CacheMeta(key=KEY), SettingsFacts(mode="cache-first", max_age_s=60.0), (AskServer(),)),
    ],
)
def test_the_mode_says_who_is_asked(
    request_: GetEntity | CacheMeta, settings: SettingsFacts, ask: tuple[AskServer | AskCache, ...]
) -> None:
    assert fetch(request_, facts(settings)).ask == ask


@pytest.mark.parametrize("request_", [REFRESH, CacheMeta(key=KEY)])
def test_offline_nothing_that_must_ask_the_server_is_planned(request_: GetEntity | CacheMeta) -> None:
    refused = plan_fetch(request_, facts(SettingsFacts(mode="offline")))
    assert isinstance(refused.failure(), OfflineMode)


@pytest.mark.parametrize(
    ("request_", "keep_on_read", "is_writable", "keep"),
    [
        (GET, True, True, True),
        (GET, False, True, False),
        (GET, True, False, False),
        (REFRESH, False, True, True),
        (CacheMeta(key=KEY), False, True, True),
    ],
)
def test_what_is_read_is_kept_as_the_settings_say_and_always_if_asked_for(
    request_: GetEntity | CacheMeta, keep_on_read: bool, is_writable: bool, keep: bool
) -> None:
    read = fetch(request_, facts(SettingsFacts(keep_on_read=keep_on_read), is_writable=is_writable))
    assert read.keep is keep


def test_metadata_is_not_cached_in_a_cache_that_cannot_be_written() -> None:
    refused = plan_fetch(CacheMeta(key=KEY), facts(SettingsFacts(), is_writable=False))
    assert isinstance(refused.failure(), StoreFailed)


def test_the_answer_is_what_the_fetch_gives() -> None:
    assert plan_fetch(GET, FACTS).unwrap().answer == FetchedAnswer(key=KEY)
