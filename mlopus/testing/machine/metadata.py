"""Rules about experiments, runs and models: created, logged to, deleted, found, had online and offline."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from mlopus.handles import RunApi
from mlopus.result import or_raise
from mlopus.testing.machine.base import BaseMachine, agrees, exps, flat, models, root_name, runs
from mlopus.testing.machine.values import ModelRun

TAGS: Final = ("team", "it.s")
PARAMS: Final = st.sampled_from((1, 0.5, "one", True))


class MetadataRules(BaseMachine):
    """What is done to entities."""

    @rule(target=exps, name=st.sampled_from("ab"), exp=exps)
    def create_exp(self, name: str, exp: str) -> str:
        """Create an experiment, or be told that it exists."""
        predicted = self.model.create_exp(self.named(name))
        made = self.api.create_exp(self.named(name))
        if not agrees(made, predicted):
            return exp
        created = or_raise(made)
        self.model.exps[created.id] = created.name
        self.model.rows.add(("experiment", created.id))
        return created.id

    @rule(target=runs, exp=exps, name=st.sampled_from(("r1", "r2")))
    @precondition(lambda self: not self.model.offline)
    def start_run(self, exp: str, name: str) -> str:
        """Start a run."""
        run = or_raise(self.api.start_run(exp, name))
        self.model.runs[run.id] = ModelRun(exp_id=exp, name=name, root_name=root_name(run.repo))
        self.model.lead_to(run.id)
        return run.id

    @rule(target=models, name=st.sampled_from("mn"))
    def get_or_create_model(self, name: str) -> str:
        """Have a model."""
        predicted = self.model.get_or_create_model(self.named(name))
        agrees(self.api.get_or_create_model(self.named(name)), predicted)
        return self.named(name)

    @rule(run=runs, key=st.sampled_from(("lr", "opt.name")), value=PARAMS)
    def log_params(self, run: str, key: str, value: Any) -> None:
        """Log a param; another value of one that is set is refused."""
        agrees(self.api.log_params(run, {key: value}), self.model.log_param(run, key, value))

    @rule(run=runs, key=st.sampled_from(("acc", "val.acc")), value=st.sampled_from((0.5, 1.0, -2.0)))
    def log_metrics(self, run: str, key: str, value: float) -> None:
        """Log a metric once more."""
        predicted = self.model.write(run)
        points = self.model.runs[run].metrics.setdefault(key, [])
        if agrees(self.api.log_metrics(run, {key: value}, step=len(points)), predicted):
            points.append(value)

    @rule(run=runs, key=st.sampled_from(TAGS), value=PARAMS)
    def set_tags(self, run: str, key: str, value: Any) -> None:
        """Set a tag."""
        if agrees(self.api.set_tags_on_run(run, {key: value}), self.model.write(run)):
            self.model.runs[run].tags[key] = value

    @rule(run=runs, deleted=st.booleans())
    def delete_or_restore(self, run: str, deleted: bool) -> None:
        """Delete a run, or restore it; either may be done already."""
        act = self.api.delete_run if deleted else self.api.restore_run
        if agrees(act(run), self.model.needs_server()):
            self.model.runs[run].is_deleted = deleted

    @rule(run=runs)
    def get_run(self, run: str) -> None:
        """Get a run: all that was logged, and the same offline, where what was got is cached."""
        found = self.api.get_run(run)
        if agrees(found, self.model.get_run(run)):
            self._is_as_logged(run, or_raise(found))
            self._is_as_logged(run, or_raise(self.opened.in_offline_mode.get_run(run)))

    def _is_as_logged(self, run: str, found: RunApi) -> None:
        wanted = self.model.runs[run]
        assert (found.name, found.exp.id, found.exp.name, found.lifecycle_stage) == (
            wanted.name,
            wanted.exp_id,
            self.model.exps[wanted.exp_id],
            "deleted" if wanted.is_deleted else "active",
        )
        latest = {key: points[-1] for key, points in wanted.metrics.items() if points}
        tags = {key: value for key, value in flat(found.tags).items() if key in TAGS}
        assert (flat(found.params), flat(found.metrics), tags) == (wanted.params, latest, wanted.tags)

    @rule(exp=exps, value=PARAMS)
    def find_runs(self, exp: str, value: Any) -> None:
        """Find the runs with a tag."""
        predicted = self.model.find_runs(exp, value)
        found = self.api.find_runs({"exp.id": exp, "tags.team": value}).all()
        if agrees(found, predicted):
            assert sorted(run.id for run in or_raise(found)) == predicted

    @rule()
    def get_what_is_not_there(self) -> None:
        """A run that nobody made."""
        agrees(self.api.get_run("0" * 32), self.model.missing("run", "0" * 32))
