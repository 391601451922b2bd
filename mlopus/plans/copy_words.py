"""Steps of copying in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from mlopus.domain.paths import join_path
from mlopus.plans.copy_steps import (
    CopyFiles,
    CopyRuns,
    CopyStep,
    CopyVersions,
    EndRuns,
    RunCopy,
    TreeCopy,
    VersionCopy,
)
from mlopus.plans.words import Row, count, total_size


def copy_headline(step: CopyStep) -> Row:
    """A step of copying in one line."""
    match step:
        case CopyRuns():
            new = sum(run.run_id is None for run in step.runs)
            changed = len(step.runs) - new
            note = ", ".join(
                filter(None, (f"{new:,} new" if new else "", f"{changed:,} with news" if changed else ""))
            )
            return Row("copy", count(len(step.runs), "run"), note=f"{note}  {_values(step.runs)}".rstrip())
        case CopyFiles():
            files = [file.file.size_bytes for tree in step.trees for file in tree.files]
            kept = sum(tree.kept for tree in step.trees)
            note = f"of {count(len(step.trees), 'run')}" + (f"; {kept:,} are the same" if kept else "")
            return Row("copy", count(len(files), "file"), total_size(files), note)
        case EndRuns():
            return Row("end", count(len(step.ends), "run"), note="as their sources")
        case CopyVersions():
            new = sum(version.version is None for version in step.versions)
            word = "register" if new else "copy"
            number = new or len(step.versions)
            return Row(word, f"{count(number, 'version')} of {step.model_name!r}", note=_aliases(step))
        case _:
            assert_never(step)


def run_row(run: RunCopy) -> Row:
    """What one run's copy gets."""
    name = repr(run.name) if run.name is not None else f"of {run.source_id}"
    word = "create" if run.run_id is None else "update"
    return Row(word, f"run {name}", note=_values((run,)))


def version_row(version: VersionCopy, step: CopyVersions) -> Row:
    """What one version's copy gets."""
    note = f"from {version.path or 'the artifacts'!r} of the copy of run {version.source_run}"
    word = "register" if version.version is None else "update"
    return Row(word, f"copy of {step.source_model!r} version {version.source_version}", note=note)


def files_of(tree: TreeCopy) -> Iterator[tuple[str, int | None, str]]:
    """The files of a tree: path among the artifacts of the run, size, and why."""
    for file in tree.files:
        yield (
            join_path(tree.path, file.file.path),
            file.file.size_bytes,
            f"{file.reason}, run {tree.source_id}",
        )


def alias_rows(step: CopyVersions) -> Iterator[Row]:
    """What each alias is to name."""
    for alias in sorted(step.aliases):
        yield Row(
            "alias", f"copy of {step.source_model!r} version {step.aliases[alias]}", note=f"as {alias!r}"
        )


def _aliases(step: CopyVersions) -> str:
    return f"{count(len(step.aliases), 'alias').replace('aliass', 'aliases')}" if step.aliases else ""


def _values(runs: tuple[RunCopy, ...]) -> str:
    numbers = (
        (sum(len(run.params) for run in runs), "param"),
        (sum(len(run.points) for run in runs), "metric point"),
        (sum(len(run.tags) for run in runs), "tag"),
    )
    return ", ".join(count(number, thing) for number, thing in numbers if number)
