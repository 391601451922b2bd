"""Plans for people: as text, and as a table for notebooks. What happens, how much moves, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeAlias

from mlopus.plans.copy_steps import CopyFiles, CopyRuns, CopyVersions
from mlopus.plans.copy_words import alias_rows, copy_headline, files_of, run_row, version_row
from mlopus.plans.headlines import headline, how_in_words, step_title
from mlopus.plans.headlines_keeping import keeping_rows
from mlopus.plans.keeping_steps import EvictTrees, ForgetPlacements, RemoveTemporaries, SweepLeftovers
from mlopus.plans.plan import Plan, Totals
from mlopus.plans.steps import (
    ExportTree,
    FetchFiles,
    PlaceTree,
    RemoveFiles,
    RemoveRemoteFiles,
    Step,
    TargetPresent,
    UploadFiles,
)
from mlopus.plans.words import Row, count, human_size, total_size

__all__ = ["render", "render_html", "step_title"]

MAX_FILES = 20
"""Files that a step shows; the others are counted."""
_TITLE_WIDTH = 60
_NAME_WIDTH = 28
_REASONS = {"new": "new", "changed": "changed", "unproven": "not proven to be the same"}

_Shown: TypeAlias = tuple[str, int | None, str]
_Group: TypeAlias = tuple[str, Sequence[_Shown]]


def render(plan: Plan) -> str:
    """The plan as text: a title, each stage with its steps, and the totals.

    Plain text that is the same for equal plans. Names are never shortened; a step shows at most 20
    files, then how many more there are.
    """
    stages = [[row for step in stage for row in rows_of(step)] for stage in plan.stages]
    rows = [row for stage in stages for row in stage]
    width = max([_NAME_WIDTH, *(len(row.name) for row in rows if row.size)])
    lines = [f"{plan.title:<{_TITLE_WIDTH}}  {_mode(plan)}"]
    for number, stage in enumerate(stages, start=1):
        for index, row in enumerate(stage):
            label = str(number) if index == 0 else ""
            lines.append(f"{label:>3}  {_line(row, width)}")
    lines.append(f"  {totals_in_words(plan.totals)}" if rows else "  nothing to do")
    lines += [f"  note: {note}" for note in plan.notes]
    return "\n".join(lines)


def render_html(plan: Plan) -> str:
    """The plan as an HTML table, everything in it escaped."""
    parts = [f"<table><caption>{escape(f'{plan.title} ({_mode(plan)})')}</caption><tbody>"]
    for number, stage in enumerate(plan.stages, start=1):
        rows = (row for step in stage for row in rows_of(step))
        for index, row in enumerate(rows):
            cells = (str(number) if index == 0 else "", row.word, row.name, row.size, row.note)
            parts.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    total = "nothing to do" if plan.is_empty else totals_in_words(plan.totals)
    lines = (total, *(f"note: {note}" for note in plan.notes))
    foot = "".join(f'<tr><td colspan="5">{escape(line)}</td></tr>' for line in lines)
    parts.append(f"</tbody><tfoot>{foot}</tfoot></table>")
    return "".join(parts)


def totals_in_words(totals: Totals) -> str:
    """What a plan moves, asks and removes.

    Example:
        >>> totals_in_words(Totals(up_bytes=2048, requests=3))
        'moves 2.0 KiB up · 0 B down · 3 requests · removes nothing'
    """
    gone = (
        (totals.removed_files, "file", "files"),
        (totals.evicted_files, "cached file", "cached files"),
        (totals.removed_entities, "entity", "entities"),
        (totals.removed_tags, "tag", "tags"),
        (totals.removed_aliases, "alias", "aliases"),
    )
    named = (f"{number:,} {one if number == 1 else many}" for number, one, many in gone if number)
    removed = ", ".join(named) or "nothing"
    moved = f"{human_size(totals.up_bytes)} up · {human_size(totals.down_bytes)} down"
    freed = f" · frees {human_size(totals.freed_bytes)}" if totals.freed_bytes else ""
    return f"moves {moved} · {count(totals.requests, 'request')} · removes {removed}{freed}"


def rows_of(step: Step) -> tuple[Row, ...]:  # noqa: C901 (a case per class)
    """The lines of a step: its files if it has a table, else its headline."""
    match step:
        case UploadFiles():
            return _upload(step)
        case FetchFiles():
            fetched = [(file.path, file.size_bytes, "") for file in step.files]
            reused = [(file.path, file.size_bytes, "held already, proven") for file in step.reused]
            return _files((("fetch", fetched), ("reuse", reused)), step.store_url) or (headline(step),)
        case RemoveRemoteFiles():
            gone = [(file.path, file.size_bytes, "not in the source") for file in step.files]
            return _files((("remove", gone),), step.store_url)
        case RemoveFiles():
            gone = [(file.path, file.size_bytes, f"from the {step.root}") for file in step.files]
            return _files((("remove", gone),), f"the {step.root}") or (headline(step),)
        case PlaceTree():
            how = how_in_words(step.ladder)
            placed = [(file.path, file.size_bytes, how) for file in step.files]
            there = step.expect
            replaced = (
                (Row("replace", count(there.file_count, "file"), note="all that is at the target"),)
                if isinstance(there, TargetPresent)
                else ()
            )
            return (*replaced, *(_files((("place", placed),), "the target") or (headline(step),)))
        case ExportTree():
            copied = [(file.path, file.size_bytes, "copy") for file in step.files]
            return _files((("export", copied),), step.commit.name) or (headline(step),)
        case EvictTrees() | SweepLeftovers() | ForgetPlacements() | RemoveTemporaries():
            return _files(keeping_rows(step), "the cache")
        case CopyRuns():
            return (copy_headline(step), *_first_rows([run_row(run) for run in step.runs], "run"))
        case CopyFiles():
            copied = [file for tree in step.trees for file in files_of(tree)]
            return (copy_headline(step), *_files((("copy", copied),), "the file"))
        case CopyVersions():
            rows = [version_row(version, step) for version in step.versions]
            return (*_first_rows(rows, "version"), *alias_rows(step))
        case _:
            return (headline(step),)


def _first_rows(rows: Sequence[Row], thing: str) -> tuple[Row, ...]:
    """The first `MAX_FILES` rows, and how many more there are."""
    more = len(rows) - MAX_FILES
    rest = (Row("", f"… {count(more, f'more {thing}')}"),) if more > 0 else ()
    return (*rows[:MAX_FILES], *rest)


def _upload(step: UploadFiles) -> tuple[Row, ...]:
    linked = frozenset(step.through_links)
    sent = [
        (
            upload.file.path,
            upload.file.size_bytes,
            _REASONS[upload.reason] + (", a link out of the source" if upload.file.path in linked else ""),
        )
        for upload in step.files
    ]
    kept = [(file.path, file.size_bytes, "same sha256") for file in step.kept]
    left = [(file.path, file.size_bytes, "not in the source") for file in step.left]
    groups = (("upload", sent), ("keep", kept), ("leave", left))
    return _files(groups, step.store_url) or (headline(step),)


def _files(groups: Iterable[_Group], whole: str) -> tuple[Row, ...]:
    """A line for each file, `MAX_FILES` in all, and one for the rest of each group."""
    rows: list[Row] = []
    room = MAX_FILES
    for word, files in groups:
        shown = files[:room]
        room -= len(shown)
        rows += [Row(word, path or whole, human_size(size), note) for path, size, note in shown]
        rest = files[len(shown) :]
        if rest:
            size = total_size(size for _, size, _ in rest)
            more = "more " if shown else ""
            rows.append(Row(word, f"… {len(rest):,} {more}{'file' if len(rest) == 1 else 'files'}", size))
    return tuple(rows)


def _line(row: Row, width: int) -> str:
    if not row.size:
        return "  ".join(filter(None, (f"{row.word:<9}{row.name}", row.note)))
    return f"{row.word:<9}{row.name:<{width}}  {row.size:>10}   {row.note}".rstrip()


def _mode(plan: Plan) -> str:
    return f"{plan.mode}, {count(len(plan.stages), 'stage')}"
