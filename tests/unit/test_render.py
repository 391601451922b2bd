"""Plans as people see them."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.domain.checks import CacheCheck, CheckedFile, TreeCheck
from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.manifest import LocalFile, RemoteFile
from mlopus.execution.receipts import Receipt
from mlopus.plans.facts import Facts, SourceFacts, TargetFacts
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.render import render, render_html, step_title
from mlopus.plans.requests import (
    CacheArtifact,
    CreateRunIn,
    GetEntity,
    LogModelVersion,
    LogParams,
    PlaceArtifact,
    PublishOptions,
)
from mlopus.plans.steps import TargetPresent
from tests.unit.plan_facts import (
    ARTIFACT,
    EXP,
    FACTS,
    MODEL,
    NOW,
    RUN,
    cached,
    listed,
    of_artifact,
    sha,
)

MIB = 1024**2
PUBLISH = LogModelVersion(
    model=ModelKey("ranker"),
    run=RunKey("3f2a"),
    source="./model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    version=None,
    tags=immutabledict(),
    overwrite=False,
    operation_id="op",
)


def local(path: str, size_bytes: int, content: str) -> LocalFile:
    return LocalFile(path=path, size_bytes=size_bytes, mtime_ns=1, sha256=sha(content))


def publish_facts() -> Facts:
    held = cached({"old/notes.md": "old"})
    there = listed(
        RemoteFile(path="conf/tokens.json", size_bytes=1000, sha256=sha("before")),
        RemoteFile(path="old/notes.md", size_bytes=3, sha256=sha("old")),
        RemoteFile(path="vocab.txt", size_bytes=90_112, sha256=sha("vocab")),
    )
    source = SourceFacts(
        path="/home/user/model",
        is_file=False,
        files=(
            local("model.bin", 512 * MIB, "model"),
            local("conf/tokens.json", 1229, "tokens"),
            local("vocab.txt", 90_112, "vocab"),
        ),
    )
    return attrs.evolve(of_artifact(held, listing=there), source=source, records=(MODEL, RUN, EXP))


def many(count: int) -> Plan:
    files = tuple(RemoteFile(path=f"part-{i:03}", size_bytes=1024) for i in range(count))
    return plan(CacheArtifact(artifact=ARTIFACT), of_artifact(listing=listed(*files))).unwrap()


def test_a_publish_shows_what_happens_how_much_moves_and_why() -> None:
    expected = """\
publish model 'ranker' from ./model                           online, 5 stages
  1  withdraw what is cached of 'ranker' of run 3f2a
  2  upload   conf/tokens.json                 1.2 KiB   changed
     upload   model.bin                      512.0 MiB   new
     keep     vocab.txt                       88.0 KiB   same sha256
     leave    old/notes.md                         3 B   not in the source
  3  register version of 'ranker'  run 3f2a  from s3://bucket/1/3f2a/artifacts/ranker
  4  cache    the new version
     cache    3 files                        512.1 MiB   reflink, else copy
     reuse    old/notes.md                         3 B   held already, proven
  5  commit   'ranker' of run 3f2a to the cache
  moves 512.0 MiB up · 0 B down · 3 requests · removes nothing"""
    assert render(plan(PUBLISH, publish_facts()).unwrap()) == expected


def test_an_empty_plan_says_so() -> None:
    hit = of_artifact(cached({"a": "one"}), listing=listed(RemoteFile(path="a", sha256=sha("one"))))
    expected = """\
cache 'ranker' of run 3f2a                                    online, 0 stages
  nothing to do"""
    assert str(plan(CacheArtifact(artifact=ARTIFACT), hit).unwrap()) == expected


def test_a_step_shows_twenty_files_then_a_count() -> None:
    lines = render(many(100)).splitlines()
    assert sum("part-" in line for line in lines) == 20
    assert lines[21].split() == ["fetch", "…", "80", "more", "files", "80.0", "KiB"]


def test_a_step_of_twenty_files_shows_them_all() -> None:
    assert "more" not in render(many(20))


def test_a_plan_of_many_files_is_one_line_where_values_are_listed() -> None:
    assert repr([many(100)]) == "[<Plan cache_run_artifact: cache 'ranker' of run 3f2a, 2 stages>]"


def test_a_receipt_and_a_check_are_one_line_where_values_are_listed() -> None:
    receipt = Receipt(plan=many(100), started_at=NOW, ended_at=NOW)
    file = CheckedFile(path="a", size_bytes=1, state="damaged")
    check = CacheCheck(trees=(TreeCheck(tree_key="k", files=(file,) * 100, served_as=()),))

    assert repr(receipt) == "<Receipt cache_run_artifact: 0 of 2 steps, 0 B up, 0 B down, 0 requests>"
    assert repr(check) == "<CacheCheck 0 files sound, 100 damaged, 0 missing>"


def test_long_names_are_kept_whole() -> None:
    name = "folder/" * 20 + "model.bin"
    facts = of_artifact(listing=listed(RemoteFile(path=name, size_bytes=1)))
    assert f" {name} " in render(plan(CacheArtifact(artifact=ARTIFACT), facts).unwrap())


def test_a_size_that_no_store_tells_is_a_question_mark() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="a")))
    lines = render(plan(CacheArtifact(artifact=ARTIFACT), facts).unwrap()).splitlines()
    assert lines[1].split() == ["1", "fetch", "a", "?"]


def test_what_an_overwritten_target_loses_is_shown() -> None:
    target = TargetFacts(path="/home/t", expectation=TargetPresent(digest="seen", file_count=7))
    facts = attrs.evolve(of_artifact(cached({"a": "one"})), target=target)
    request = PlaceArtifact(artifact=ARTIFACT, target="/home/t", overwrite=True, link=True)
    shown = render(plan(request, facts).unwrap())
    assert "  1  record   that the target shows what is cached  so that it stays" in shown
    assert "  2  replace  7 files  all that is at the target" in shown
    assert shown.endswith("removes 7 files")


def test_metadata_is_shown_in_one_line_a_step() -> None:
    request = CreateRunIn(
        exp=ExperimentKey("1"),
        name="r1",
        tags=immutabledict({"a": 1, "b": 2}),
        repo=None,
        parent=None,
        start=True,
        operation_id="op",
    )
    lines = render(plan(request, FACTS).unwrap()).splitlines()
    assert lines[1:3] == [
        "  1  create   run 'r1' in experiment 1  RUNNING  2 tags: a, b",
        "  2  cache    the new run",
    ]


def test_a_batch_names_its_first_keys() -> None:
    request = LogParams(run=RunKey("r"), params=immutabledict({f"p{i}": i for i in range(7)}))
    assert "  1  log      to run r  7 params: p0, p1, p2, p3, p4, …" in str(plan(request, FACTS).unwrap())


def test_a_fetch_says_who_is_asked() -> None:
    shown = str(plan(GetEntity(key=RunKey("r")), FACTS).unwrap())
    assert "  1  fetch    run r  from the server, then kept in the cache" in shown


def test_html_escapes_what_it_shows() -> None:
    facts = of_artifact(listing=listed(RemoteFile(path="<b>.bin", size_bytes=1)))
    shown = render_html(plan(CacheArtifact(artifact=ARTIFACT), facts).unwrap())
    assert "&lt;b&gt;.bin" in shown
    assert "<b>" not in shown


def test_html_shows_every_line_of_the_text() -> None:
    found = plan(PUBLISH, publish_facts()).unwrap()
    assert render_html(found).count("<tr>") == len(render(found).splitlines()) - 1


def test_equal_plans_look_the_same() -> None:
    later = attrs.evolve(publish_facts(), now=NOW)
    assert render(plan(PUBLISH, later).unwrap()) == render(plan(PUBLISH, publish_facts()).unwrap())


def test_every_step_of_a_plan_has_a_short_title() -> None:
    titles = [step_title(step) for step in plan(PUBLISH, publish_facts()).unwrap().steps]
    assert titles == [
        "withdraw what is cached of 'ranker' of run 3f2a",
        "upload 2 files to s3://bucket/1/3f2a/artifacts/ranker",
        "register version of 'ranker'",
        "cache the new version",
        "cache 3 files",
        "fetch 0 files from s3://bucket/1/3f2a/artifacts/ranker",
        "commit 'ranker' of run 3f2a to the cache",
    ]
