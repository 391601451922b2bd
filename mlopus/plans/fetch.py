"""Planning fetches of metadata: who is asked, in which order, and what is kept."""

from __future__ import annotations

from mlopus.errors import OfflineMode, StoreFailed
from mlopus.plans.envelope import make_plan, read_only_cache
from mlopus.plans.facts import Facts, SettingsFacts
from mlopus.plans.plan import FetchedAnswer, Plan
from mlopus.plans.requests import CacheMeta, FetchRequest
from mlopus.plans.steps import Ask, AskCache, AskServer, FetchEntity
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

FetchRefusal = OfflineMode | StoreFailed


def plan_fetch(request: FetchRequest, facts: Facts) -> Result[Plan, FetchRefusal]:
    """Choose who is asked for an entity and its parents.

    Needs no gathered facts but settings; what a server gives is kept as the settings say, and
    always by `CacheMeta` and a refresh.

    Fails with:
        OfflineMode: The server has to be asked, and may not be.
        StoreFailed: Metadata is to be cached in a cache that cannot be written.
    """
    must_ask = isinstance(request, CacheMeta) or request.refresh
    if must_ask and facts.settings.mode == "offline":
        return Failure(OfflineMode(action=title_of(request)))
    if isinstance(request, CacheMeta) and not facts.metadata_is_writable:
        return Failure(read_only_cache(title_of(request)))
    ask = (AskServer(),) if must_ask else ask_by_mode(facts.settings)
    keep = facts.metadata_is_writable and (must_ask or facts.settings.keep_on_read)
    step = FetchEntity(key=request.key, ask=ask, keep=keep)
    return Success(make_plan(request, facts, ((step,),), FetchedAnswer(key=request.key)))


def ask_by_mode(settings: SettingsFacts) -> tuple[Ask, ...]:
    """Who is asked for metadata in each mode, in this order."""
    match settings.mode:
        case "online":
            return (AskServer(),)
        case "offline":
            return (AskCache(),)
        case "cache-first":
            if settings.max_age_s is None or settings.max_age_s == float("inf"):
                return (AskCache(), AskServer())
            hurried = AskServer(patience_s=settings.patience_s)
            return (AskCache(max_age_s=settings.max_age_s), hurried, AskCache())
