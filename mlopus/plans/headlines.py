"""Steps in words: one line for each, for people and for messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, assert_never

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey, key_of
from mlopus.domain.manifest import ArtifactSubject
from mlopus.domain.records import OPERATION_TAG, Record, Texts
from mlopus.plans.bindings import created_key, is_creating
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    SetTags,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.copy_steps import CopyStep
from mlopus.plans.copy_words import copy_headline
from mlopus.plans.effects import concerns
from mlopus.plans.headlines_keeping import keeping_headline
from mlopus.plans.journal_steps import DropRequests, ForgetRows, JournalStep, QueueRequest, SettleRequests
from mlopus.plans.keeping_steps import KeepingStep
from mlopus.plans.pending import Pending
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    LogModelVersion,
    LogRunArtifact,
    WriteRequest,
)
from mlopus.plans.steps import (
    Ask,
    AskServer,
    ByteStep,
    CacheRows,
    CacheStep,
    CommitTree,
    ExportRows,
    ExportStep,
    ExportTree,
    FetchEntity,
    FetchFiles,
    PlaceTree,
    ReflectChange,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    Step,
    UploadFiles,
    WithdrawEntries,
)
from mlopus.plans.verbs import entity_in_words, title_of
from mlopus.plans.words import Row, count, total_size

Upkeep: TypeAlias = (
    RenameExperiment
    | RenameModel
    | UpdateDescription
    | DeleteTags
    | SetAlias
    | DeleteAlias
    | DeleteEntity
    | RestoreEntity
)

_MAX_NAMES = 5
_MAX_DELETED = 20
_MAX_CHARACTERS = 60


def step_title(step: Step) -> str:
    """A step in a few words, for messages."""
    row = headline(step)
    return f"{row.word} {row.name}"


def headline(step: Step) -> Row:
    """A step in one line."""
    if isinstance(step, ByteStep):
        return _of_bytes(step)
    if isinstance(step, JournalStep):
        return _of_journal(step)
    if isinstance(step, ExportStep):
        return _of_export(step)
    if isinstance(step, KeepingStep):
        return keeping_headline(step)
    if isinstance(step, CopyStep):
        return copy_headline(step)
    return _of_metadata(step) if isinstance(step, CacheStep) else _of_change(step)


def _of_bytes(step: ByteStep) -> Row:
    match step:
        case FetchFiles():
            size = total_size(file.size_bytes for file in step.files)
            note = f"{count(len(step.reused), 'file')} held already" if step.reused else ""
            return Row("fetch", f"{count(len(step.files), 'file')} from {step.store_url}", size, note)
        case StageFiles():
            size = total_size(file.size_bytes for file in step.files)
            return Row("cache", count(len(step.files), "file"), size, how_in_words(step.ladder))
        case CommitTree():
            return Row("commit", f"{_path_of(step.subject, step.path)} to the cache")
        case WithdrawEntries():
            return Row("withdraw", f"what is cached of {_path_of(step.subject, step.path)}")
        case PlaceTree():
            size = total_size(file.size_bytes for file in step.files)
            return Row("place", count(len(step.files), "file"), size, how_in_words(step.ladder))
        case UploadFiles():
            size = total_size(upload.file.size_bytes for upload in step.files)
            return Row("upload", f"{count(len(step.files), 'file')} to {step.store_url}", size)
        case RemoveRemoteFiles():
            size = total_size(file.size_bytes for file in step.files)
            return Row("remove", f"{count(len(step.files), 'file')} from {step.store_url}", size)
        case RemoveFiles():
            size = total_size(file.size_bytes for file in step.files)
            return Row("remove", f"{count(len(step.files), 'file')} from the {step.root}", size)
        case _:
            assert_never(step)


def _of_export(step: ExportStep) -> Row:
    match step:
        case ExportTree():
            size = total_size(file.size_bytes for file in step.files)
            what = _path_of(step.commit.subject, step.commit.path)
            return Row("export", f"{count(len(step.files), 'file')}, {what}", size, "copy")
        case ExportRows():
            return Row("export", _metadata_of(row.record for row in step.rows), note="to the target")
        case _:
            assert_never(step)


def _of_journal(step: JournalStep) -> Row:
    match step:
        case QueueRequest():
            unknown = what_a_flush_tells(step.request)
            return Row("queue", title_of(step.request), note=f"not known before the flush: {unknown}")
        case SettleRequests():
            return Row("settle", f"{_entries(step.entry_ids)} of the journal")
        case DropRequests():
            return Row("drop", f"{_entries(step.entry_ids)} of the journal", note="never to be sent")
        case ForgetRows():
            names = ", ".join(entity_in_words(key) for key in step.keys)
            return Row("forget", f"what the cache shows of {names}")
        case _:
            assert_never(step)


def _entries(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:_MAX_NAMES]))
    return f"{'entry' if len(ids) == 1 else 'entries'} {shown}{', …' if len(ids) > _MAX_NAMES else ''}"


def what_a_flush_tells(request: WriteRequest) -> str:
    """What nobody can know of a write before the server is asked."""
    match request:
        case CreateExp() | CreateRegisteredModel():
            return "whether the name is taken on the server"
        case CreateRunIn():
            return "the run's id and artifact root"
        case LogRunArtifact():
            return "what the store holds there"
        case LogModelVersion():
            return "what the store holds there, and the version's number"
        case _:
            return "whether the server takes it"


def how_in_words(ladder: Sequence[str] | str) -> str:
    """How files come to their place.

    Example:
        >>> how_in_words(("reflink", "copy")), how_in_words(("symlink",))
        ('reflink, else copy', 'symlink')
    """
    return ladder if isinstance(ladder, str) else ", else ".join(ladder)


def _of_metadata(step: CacheStep) -> Row:
    match step:
        case FetchEntity():
            kept = ", then kept in the cache" if step.keep else ""
            asked = ", else ".join(_asked(ask) for ask in step.ask)
            thing = "the copy" if isinstance(step.key, Pending) else entity_in_words(step.key)
            return Row("fetch", thing, note=f"from {asked}{kept}")
        case CacheRows():
            return Row("cache", _metadata_of(step.records))
        case ReflectChange():
            return Row("cache", _reflected(step.change))
        case _:
            assert_never(step)


def _metadata_of(records: Iterable[Record]) -> str:
    return f"metadata of {', '.join(entity_in_words(key_of(record)) for record in records)}"


def _asked(ask: Ask) -> str:
    if isinstance(ask, AskServer):
        return "the server"
    return "the cache" if ask.max_age_s is None else f"the cache if not older than {ask.max_age_s:g} s"


def _reflected(change: TrackingChange) -> str:
    if is_creating(change):
        return f"the new {created_key(change)}"
    if isinstance(change, DeleteEntity):
        return f"that {entity_in_words(change.key)} is deleted"
    key = concerns(change)
    return "the change" if key is None else f"the change of {entity_in_words(key)}"


def _of_change(change: TrackingChange) -> Row:
    match change:
        case CreateExperiment():
            return Row("create", f"experiment {change.name!r}", note=_tags(change.tags))
        case EnsureExperiment():
            return Row("create", f"experiment {change.name!r}", note="unless it is there")
        case CreateModel():
            return Row("create", f"model {change.name!r}", note=_tags(change.tags))
        case EnsureModel():
            return Row("create", f"model {change.name!r}", note="unless it is there")
        case CreateRun():
            name = "a run" if change.name is None else f"run {change.name!r}"
            note = "  ".join(filter(None, (change.status.name, _tags(change.tags))))
            return Row("create", f"{name} in experiment {change.exp_id}", note=note)
        case UpdateRun():
            status = "" if change.status is None else change.status.name
            end_time = "" if change.end_time is None else "end time"
            name = "" if change.name is None else f"name {change.name!r}"
            note = ", ".join(filter(None, (status, end_time, name)))
            return Row("update", f"run {change.run_id}", note=note)
        case LogBatch():
            points = [sample.key for sample in change.metrics]
            found = (("param", [*change.params]), ("metric point", points), ("tag", [*change.tags]))
            note = "  ".join(_named(what, names) for what, names in found if names)
            return Row("log", f"to run {change.run_id}", note=note)
        case SetTags():
            return Row("tag", entity_in_words(change.on), note=_tags(change.tags))
        case RegisterVersion():
            run = f"run {change.run_id}  " if change.run_id else ""
            note = "  ".join(filter(None, (f"{run}from {change.source}", _tags(change.tags))))
            return Row("register", f"version of {change.model_name!r}", note=note)
        case _:
            return _of_upkeep(change)


def _of_upkeep(change: Upkeep) -> Row:
    match change:
        case RenameExperiment():
            return Row("rename", f"experiment {change.exp_id}", note=f"to {change.name!r}")
        case RenameModel():
            return Row("rename", f"model {change.name!r}", note=f"to {change.new_name!r}, with its versions")
        case UpdateDescription():
            return Row("describe", entity_in_words(change.on), note=_beginning(change.description))
        case DeleteTags():
            return Row(
                "untag", entity_in_words(change.on), note=_named("tag", change.keys, most=_MAX_DELETED)
            )
        case SetAlias():
            version = VersionKey(change.model_name, change.version)
            return Row("alias", entity_in_words(version), note=f"as {change.alias!r}")
        case DeleteAlias():
            return Row("unalias", f"model {change.model_name!r}", note=f"{change.alias!r} names nothing")
        case DeleteEntity():
            return Row("delete", entity_in_words(change.key), note=_what_goes(change.key))
        case RestoreEntity():
            note = "with its runs" if isinstance(change.key, ExperimentKey) else ""
            return Row("restore", entity_in_words(change.key), note=note)
        case _:
            assert_never(change)


def _beginning(text: str) -> str:
    r"""The first line of a text, cut where it is long.

    Example:
        >>> _beginning("A ranker.\nTrained in May."), _beginning("")
        ("'A ranker.…'", 'with nothing')
    """
    if not text:
        return "with nothing"
    shown = text.partition("\n")[0][:_MAX_CHARACTERS]
    return repr(shown if shown == text else f"{shown}…")


def _what_goes(key: OwnKey) -> str:
    match key:
        case ExperimentKey():
            return "with its runs; can be restored"
        case RunKey():
            return "can be restored"
        case ModelKey():
            return "with its versions, for good"
        case VersionKey():
            return "for good"


def _tags(tags: Texts) -> str:
    own = [key for key in tags if key != OPERATION_TAG]
    return _named("tag", own) if own else ""


def _named(thing: str, names: Sequence[str], most: int = _MAX_NAMES) -> str:
    """How many, and the first of them by name.

    Example:
        >>> _named("tag", ["b", "a"])
        '2 tags: a, b'
    """
    distinct = sorted(frozenset(names))
    shown = ", ".join(distinct[:most])
    return f"{count(len(names), thing)}: {shown}{', …' if len(distinct) > most else ''}"


def _path_of(subject: ArtifactSubject, path: str) -> str:
    return f"{path!r} of {subject}" if path else f"the artifacts of {subject}"
