"""A machine that writes offline and flushes: what waits is shown at once, and the server then holds it.

The model is a dict of runs as the server holds them, and the list of writes that wait. What is shown
offline is that list applied to a copy; a flush applies it for good, but for what a server refuses.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, Final

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from mlopus.api.client import MlflowApi
from mlopus.errors import InvalidRequest
from mlopus.result import or_raise
from mlopus.testing.machine.base import OpenApi, agrees, contents_at, flat
from mlopus.testing.machine.metadata import PARAMS, TAGS
from mlopus.testing.machine.values import Fails, same

PATHS: Final = ("a", "b/c")

known_exps: Final[Bundle[str]] = Bundle("known_exps")
written_runs: Final[Bundle[str]] = Bundle("written_runs")


@attrs.define(kw_only=True)
class Logged:
    """What was written of a run."""

    name: str
    exp: str
    params: dict[str, Any] = attrs.field(factory=dict[str, Any])
    points: dict[str, list[float]] = attrs.field(factory=dict[str, list[float]])
    tags: dict[str, Any] = attrs.field(factory=dict[str, Any])
    files: dict[str, bytes] = attrs.field(factory=dict[str, bytes])


Runs = dict[str, Logged]


@attrs.frozen(kw_only=True)
class Write:
    """A write: its verb, the id of the run (or experiment) that it is about, and what it writes there."""

    verb: str
    on: str
    key: str = ""
    value: Any = None

    def apply(self, held: Runs, *, refuses: bool) -> bool:
        """Do it; False if a server refuses it. What waits is shown whether it will be refused or not."""
        match self.verb:
            case "start_run":
                held[self.on] = copy.deepcopy(self.value)
            case "log_params":
                there = held[self.on].params
                if refuses and self.key in there and not same(there[self.key], self.value):
                    return False
                there[self.key] = self.value
            case "log_metrics":
                held[self.on].points.setdefault(self.key, []).append(self.value)
            case "set_tags_on_run":
                held[self.on].tags[self.key] = self.value
            case "log_run_artifact":
                held[self.on].files[self.key] = self.value
            case _:
                assert self.verb == "create_exp", self.verb
        return True


class JournalMachine(RuleBasedStateMachine):
    """Writes in either mode, and compares what is read in it with the model."""

    def __init__(self, open_api: OpenApi) -> None:
        super().__init__()
        self._open = open_api
        self.home = Path(tempfile.mkdtemp(prefix="mlopus-journal-"))
        self._unique = uuid.uuid4().hex[:8]
        self.opened = self._anew()
        self.offline = False
        self.server: Runs = {}
        self.waiting: list[Write] = []

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _anew(self) -> MlflowApi:
        return self._open(str(self.home / "held")).evolve(journal=True)

    @property
    def api(self) -> MlflowApi:
        """The API as the mode is."""
        return self.opened.in_offline_mode if self.offline else self.opened

    @property
    def shown(self) -> Runs:
        """The runs as they are read now."""
        runs = copy.deepcopy(self.server)
        for write in self.waiting:
            write.apply(runs, refuses=False)
        return runs

    def _wrote(self, write: Write) -> Fails | None:
        """Note a write: on the server, or as one that waits."""
        if self.offline:
            self.waiting.append(write)
            return None
        return None if write.apply(self.server, refuses=True) else Fails(InvalidRequest)

    @initialize(target=known_exps)
    def begin(self) -> str:
        """An experiment on the server."""
        return or_raise(self.opened.create_exp(f"e {self._unique}")).id

    @rule(target=known_exps)
    def create_exp(self) -> str:
        """Create an experiment; offline it has a provisional id, by which it stays known."""
        exp = or_raise(self.api.create_exp(f"e {uuid.uuid4().hex}"))
        self._wrote(Write(verb="create_exp", on=exp.id))
        return exp.id

    @rule(target=written_runs, exp=known_exps)
    def start_run(self, exp: str) -> str:
        """Start a run, with a name that no other has."""
        name = uuid.uuid4().hex
        run = or_raise(self.api.start_run(exp, name))
        self._wrote(Write(verb="start_run", on=run.id, value=Logged(name=name, exp=exp)))
        return run.id

    @rule(run=written_runs, key=st.sampled_from(("lr", "opt.name")), value=PARAMS)
    def log_params(self, run: str, key: str, value: Any) -> None:
        """Log a param; whether another value is refused, only the server says."""
        predicted = self._wrote(Write(verb="log_params", on=run, key=key, value=value))
        agrees(self.api.log_params(run, {key: value}), predicted)

    @rule(run=written_runs, key=st.sampled_from(("acc", "val.acc")), value=st.sampled_from((0.5, 2.0)))
    def log_metrics(self, run: str, key: str, value: float) -> None:
        """Log a metric once more."""
        step = len(self.shown[run].points.get(key, []))
        predicted = self._wrote(Write(verb="log_metrics", on=run, key=key, value=value))
        agrees(self.api.log_metrics(run, {key: value}, step=step), predicted)

    @rule(run=written_runs, key=st.sampled_from(TAGS), value=PARAMS)
    def set_tags(self, run: str, key: str, value: Any) -> None:
        """Set a tag."""
        predicted = self._wrote(Write(verb="set_tags_on_run", on=run, key=key, value=value))
        agrees(self.api.set_tags_on_run(run, {key: value}), predicted)

    @rule(run=written_runs, path=st.sampled_from(PATHS), content=st.sampled_from((b"one", b"two", b"three")))
    def publish(self, run: str, path: str, content: bytes) -> None:
        """Publish a file; offline its bytes wait in the cache, whatever becomes of the source."""
        source = self.home / uuid.uuid4().hex
        source.write_bytes(content)
        predicted = self._wrote(Write(verb="log_run_artifact", on=run, key=path, value=content))
        agrees(self.api.log_run_artifact(run, source, path, use_cache=True), predicted)
        source.unlink()

    @rule(run=written_runs)
    def get_run(self, run: str) -> None:
        """Get a run, by the id that it had when it was made."""
        found, wanted = or_raise(self.api.get_run(run)), self.shown[run]
        latest = {key: points[-1] for key, points in wanted.points.items()}
        tags = {key: value for key, value in flat(found.tags).items() if key in TAGS}
        told = (found.name, flat(found.params), flat(found.metrics), tags)
        assert told == (wanted.name, wanted.params, latest, wanted.tags)

    @rule(run=written_runs, path=st.sampled_from(PATHS))
    def get_artifact(self, run: str, path: str) -> None:
        """Get a file that was published."""
        if path in self.shown[run].files:
            found = contents_at(or_raise(self.api.get_run_artifact(run, path)))
            assert found == {"": self.shown[run].files[path]}

    @rule(exp=known_exps, team=PARAMS)
    def find_runs(self, exp: str, team: Any) -> None:
        """Find runs by a tag; a query takes the experiment's id as it is now."""
        exp_id = or_raise(self.api.get_exp(exp)).id
        found = or_raise(self.api.find_runs({"exp.id": exp_id, "tags.team": team}).all())
        wanted = (r.name for r in self.shown.values() if r.exp == exp and same(r.tags.get("team"), team))
        assert sorted(run.name or "" for run in found) == sorted(wanted)

    @invariant()
    def all_that_waits_is_told(self) -> None:
        """The journal lists each write, in order."""
        assert [write.verb for write in or_raise(self.opened.pending())] == [w.verb for w in self.waiting]

    @rule()
    def go_offline(self) -> None:
        """Go offline."""
        self.offline = True

    @rule(anew=st.booleans())
    @precondition(lambda self: self.offline)
    def go_online(self, anew: bool) -> None:
        """Go online and flush, perhaps as another process: what is refused is told, and dropped here."""
        self.offline = False
        if anew:
            self.opened = self._anew()
        sent = ["sent" if write.apply(self.server, refuses=True) else "refused" for write in self.waiting]
        waited = or_raise(self.opened.pending())
        report = or_raise(self.opened.flush())
        assert [write.fate for write in report.writes] == sent, str(report)
        for write, fate in zip(waited, sent, strict=True):
            if fate == "refused":
                or_raise(self.opened.drop(write.id))
        self.waiting = []

    @rule()
    def open_anew(self) -> None:
        """What waits is there for who opens it later."""
        self.opened = self._anew()
