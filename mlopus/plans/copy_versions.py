"""Which versions the target lacks, under which numbers it has the others, and what aliases are to name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ModelKey, VersionKey, why_no_model_name
from mlopus.domain.records import COPIED_FROM_TAG, OPERATION_TAG, ModelRecord, Texts, VersionRecord
from mlopus.domain.values import TextLimits
from mlopus.errors import AlreadyExists, InvalidValue, ValueTooLong
from mlopus.plans.changes import DeleteEntity, EnsureModel, SetTags, UpdateDescription
from mlopus.plans.copy_facts import CopyFacts, HeldVersion
from mlopus.plans.copy_steps import CopiedRuns, CopiedVersion, CopyVersions, VersionCopy
from mlopus.plans.copy_values import text_fault, texts_lacking
from mlopus.plans.pending import Pending
from mlopus.plans.provenance import copied_from, copying_id, is_copy_of, tags_to_copy
from mlopus.result import Failure, Result, Success

VersionRefusal: TypeAlias = AlreadyExists | InvalidValue | ValueTooLong
ModelChange: TypeAlias = EnsureModel | SetTags | UpdateDescription
_UNSAFE = re.compile(r"[^\w.\- ]+")


@attrs.frozen(kw_only=True)
class VersionsLacking:
    """What is to be done so that every version has its copy: make models, then change them, then register.

    `doubled` are copies that were made twice.
    """

    made: tuple[EnsureModel, ...] = ()
    changed: tuple[ModelChange, ...] = ()
    registered: tuple[CopyVersions, ...] = ()
    there: tuple[tuple[VersionKey, VersionRecord], ...] = ()
    doubled: tuple[DeleteEntity, ...] = ()


def places_of(versions: Iterable[HeldVersion]) -> dict[tuple[str, str], str]:
    """Where among the artifacts of its run's copy the bytes of each version are to be.

    What is among the run's artifacts keeps its path; what is elsewhere gets one of its own.
    """
    found: dict[tuple[str, str], str] = {}
    for version in versions:
        record, path = version.record, version.path_in_run
        if path is None:
            name = _UNSAFE.sub("-", record.name).strip(". ") or "model"
            path = f"models/{name}/{record.version}"
        found[record.name, record.version] = path
    return found


def versions_lacking(
    copying: CopyFacts, runs: CopiedRuns | Pending, name: str | None, limits: TextLimits
) -> Result[VersionsLacking, VersionRefusal]:
    """Compare versions with their copies.

    Args:
        copying: Both sides.
        runs: The copies of runs.
        name: Of the model that takes the copies; None keeps each model's own.
        limits: What the target takes.

    Fails with:
        AlreadyExists: An alias names a version there that is no copy of this model's.
        InvalidValue, ValueTooLong: A tag that the target does not take.
    """
    by_model: dict[str, list[HeldVersion]] = {}
    for version in copying.source.versions:
        by_model.setdefault(version.record.name, []).append(version)
    whole = VersionsLacking()
    for source_name in sorted(by_model):
        one = _Model(copying, source_name, name or source_name, by_model[source_name], limits)
        lacking = one.lacking(runs)
        if isinstance(lacking, Failure):
            return lacking
        more = lacking.unwrap()
        whole = VersionsLacking(
            made=whole.made + more.made,
            changed=whole.changed + more.changed,
            registered=whole.registered + more.registered,
            there=whole.there + more.there,
            doubled=whole.doubled + more.doubled,
        )
    return Success(whole)


@attrs.frozen
class _Model:
    """A model with those of its versions that are copied, and the model that takes them."""

    copying: CopyFacts
    source_name: str
    name: str
    versions: list[HeldVersion]
    limits: TextLimits

    def lacking(self, runs: CopiedRuns | Pending) -> Result[VersionsLacking, VersionRefusal]:
        """What this model lacks."""
        in_order = sorted(self.versions, key=lambda version: int(version.record.version))
        places = places_of(in_order)
        copies: list[VersionCopy] = []
        there: list[tuple[VersionKey, VersionRecord]] = []
        for version in in_order:
            record = version.record
            held = self._held(record.version)
            if held is not None:
                there.append((VersionKey(record.name, record.version), held))
            copy = self._copy(record, held, places[record.name, record.version])
            fault = text_fault("tag", copy.tags, self.limits)
            if fault is not None:
                return Failure(fault)
            if held is None or copy.tags or copy.description is not None:
                copies.append(copy)
        aliases = self._aliases(in_order)
        if isinstance(aliases, Failure):
            return aliases
        step = CopyVersions(
            model_name=self.name,
            source_model=self.source_name,
            runs=runs,
            versions=tuple(copies),
            there=tuple(
                CopiedVersion(source_version=key.version, version=record.version) for key, record in there
            ),
            aliases=aliases.unwrap(),
        )
        model = self._model()
        if isinstance(model, Failure):
            return model
        made, changed = model.unwrap()
        registered = (step,) if copies or step.aliases else ()
        return Success(
            VersionsLacking(
                made=made,
                changed=changed,
                registered=registered,
                there=tuple(there),
                doubled=self._doubled(in_order),
            )
        )

    def _held(self, version: str) -> VersionRecord | None:
        """The copy of a version that is there; of several the first."""
        return next(iter(self._copies(version)), None)

    def _copies(self, version: str) -> list[VersionRecord]:
        key, origin = VersionKey(self.source_name, version), self.copying.source.origin
        copies = [
            other.record
            for other in self.copying.target.versions
            if other.record.name == self.name and is_copy_of(other.record, origin, key)
        ]
        return sorted(copies, key=lambda record: int(record.version))

    def _doubled(self, versions: list[HeldVersion]) -> tuple[DeleteEntity, ...]:
        """Copies that one operation made twice, but for the first."""
        found: list[DeleteEntity] = []
        for version in versions:
            copies = self._copies(version.record.version)
            found += [
                DeleteEntity(key=VersionKey(other.name, other.version))
                for other in copies[1:]
                if other.tags.get(OPERATION_TAG) == copies[0].tags.get(OPERATION_TAG)
            ]
        return tuple(found)

    def _copy(self, record: VersionRecord, held: VersionRecord | None, path: str) -> VersionCopy:
        text = copied_from(self.copying.source.origin, VersionKey(record.name, record.version))
        tags = tags_to_copy(record.tags) | {COPIED_FROM_TAG: text}
        described = held.description if held is not None else None
        return VersionCopy(
            source_version=record.version,
            version=None if held is None else held.version,
            source_run=record.run_id or "",
            path=path,
            operation_id=copying_id(text, self.name),
            tags=tags if held is None else texts_lacking(tags, held.tags),
            description=record.description
            if record.description and record.description != described
            else None,
        )

    def _aliases(self, versions: list[HeldVersion]) -> Result[Texts, AlreadyExists]:
        """The aliases that do not name the right copy yet."""
        target = next((model for model in self.copying.target.models if model.name == self.name), None)
        wanted: dict[str, str] = {}
        for version in versions:
            record = version.record
            copy = self._held(record.version)
            for alias in record.aliases:
                named = target.aliases.get(alias) if target is not None else None
                if named is not None and copy is not None and named == copy.version:
                    continue
                if named is not None and not self._is_ours(named):
                    key, place = f"{alias} of {self.name}", str(self.copying.target.origin)
                    hint = f"It names version {named}, which is no copy of this model: delete the alias."
                    return Failure(AlreadyExists(kind="alias", key=key, place=place, hint=hint))
                wanted[alias] = record.version
        return Success(immutabledict(wanted))

    def _is_ours(self, number: str) -> bool:
        """Whether a version of the target's model is a copy of any version of this one."""
        text = copied_from(self.copying.source.origin, ModelKey(self.source_name))
        return any(
            other.record.tags.get(COPIED_FROM_TAG, "").startswith(f"{text}/")
            for other in self.copying.target.versions
            if (other.record.name, other.record.version) == (self.name, number)
        )

    def _model(
        self,
    ) -> Result[tuple[tuple[EnsureModel, ...], tuple[ModelChange, ...]], InvalidValue | ValueTooLong]:
        """How the model is made, or follows its source; one that is no copy is left as it is."""
        source = next(model for model in self.copying.source.models if model.name == self.source_name)
        there = next((model for model in self.copying.target.models if model.name == self.name), None)
        text = copied_from(self.copying.source.origin, ModelKey(self.source_name))
        tags = tags_to_copy(source.tags) | {COPIED_FROM_TAG: text}
        fault = text_fault("tag", tags, self.limits)
        if fault is not None:
            return Failure(fault)
        if there is None:
            reason = why_no_model_name(self.name)
            if reason is not None:
                hint = "Copy its versions one by one, with copy_model_version(..., name='another')."
                return Failure(InvalidValue(kind="model", key=self.name, reason=reason, hint=hint))
            made = EnsureModel(name=self.name, tags=tags, operation_id=copying_id(text, self.name))
            return Success(((made,), self._description(source, None)))
        if there.tags.get(COPIED_FROM_TAG) != text:
            return Success(((), ()))
        lacking = texts_lacking(tags, there.tags)
        tagged = (SetTags(on=ModelKey(self.name), tags=lacking),) if lacking else ()
        return Success(((), (*tagged, *self._description(source, there))))

    def _description(self, source: ModelRecord, there: ModelRecord | None) -> tuple[UpdateDescription, ...]:
        described = there.description if there is not None else None
        if not source.description or source.description == described:
            return ()
        return (UpdateDescription(on=ModelKey(self.name), description=source.description),)
