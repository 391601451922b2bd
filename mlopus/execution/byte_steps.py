"""The interpreter of steps on bytes: between stores, the cache and the user's folders."""

from __future__ import annotations

from types import TracebackType
from typing import Self, assert_never

from immutabledict import immutabledict

from mlopus.domain.manifest import Validators
from mlopus.errors import IllegalPath, MlopusError, NotCached
from mlopus.execution.counting import CountingMeter
from mlopus.execution.exporting import export_rows, export_tree
from mlopus.execution.repositories import Repositories
from mlopus.plans.outcomes import Committed, Outcome, Removed, Transferred, Withdrawn
from mlopus.plans.pending import known
from mlopus.plans.steps import (
    ByteStep,
    CachedTree,
    CommitTree,
    ExportRows,
    ExportStep,
    ExportTree,
    FetchFiles,
    PlaceTree,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    StoreTree,
    UploadFiles,
    WithdrawEntries,
)
from mlopus.ports.artifact_cache import Staging
from mlopus.ports.streams import TreeSource
from mlopus.ports.subtree import Subtree
from mlopus.result import Failure, Result, Success, mapped


class ByteInterpreter:
    """Performs the steps on bytes of one plan; drops on exit what was staged and not committed."""

    def __init__(
        self, roots: immutabledict[str, str], repositories: Repositories, meter: CountingMeter
    ) -> None:
        self.roots = roots
        self._repositories = repositories
        self._meter = meter
        self._staged: dict[str, Staging] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for staging in self._staged.values():
            staging.discard()

    def perform(self, step: ByteStep | ExportStep) -> Result[Outcome, MlopusError]:  # noqa: C901 (a case per class)
        """Carry out one step."""
        match step:
            case FetchFiles():
                return self._fetch(step)
            case StageFiles():
                return self._stage_source(step)
            case CommitTree():
                return self._commit(step)
            case WithdrawEntries():
                withdrawn = self._repositories.artifacts.withdraw(step.subject, step.path)
                return mapped(withdrawn, lambda paths: Withdrawn(paths=paths))
            case PlaceTree():
                return self._place(step)
            case UploadFiles():
                return self._upload(step)
            case RemoveRemoteFiles():
                paths = tuple(file.path for file in step.files)
                removed = self._repositories.stores.remove(step.store_url, paths)
                return mapped(removed, lambda count: Removed(file_count=count))
            case RemoveFiles():
                root = self._root(step.root)
                return (
                    root
                    if isinstance(root, Failure)
                    else self._repositories.workspace.remove(step, root.unwrap())
                )
            case ExportTree():
                return self._export(step)
            case ExportRows():
                folder = self._root("target")
                return (
                    folder
                    if isinstance(folder, Failure)
                    else export_rows(step, folder.unwrap(), self._repositories.cache_folders)
                )
            case _:
                assert_never(step)

    def _root(self, name: str) -> Result[str, IllegalPath]:
        return root_of(name, self.roots)

    def _staging(self, name: str, url: str | None = None) -> Result[Staging, MlopusError]:
        if name in self._staged:
            return Success(self._staged[name])
        opened = self._repositories.artifacts.stage(url)
        if isinstance(opened, Success):
            self._staged[name] = opened.unwrap()
        return opened

    def _fetch(self, step: FetchFiles) -> Result[Transferred, MlopusError]:
        opened = self._staging(step.staged, step.store_url)
        if isinstance(opened, Failure):
            return opened
        staging = opened.unwrap()
        if step.reused:
            reused = staging.reuse(step.reused)
            if isinstance(reused, Failure):
                return reused
        before = self._meter.down_bytes
        told = Validators()
        if step.files:
            fetched = self._repositories.stores.fetch(step.store_url, step.files, staging)
            if isinstance(fetched, Failure):
                return fetched
            told = fetched.unwrap()
        return Success(
            Transferred(
                file_count=len(step.files),
                total_bytes=self._meter.down_bytes - before,
                skipped=len(step.reused),
                validators=told,
            )
        )

    def _stage_source(self, step: StageFiles) -> Result[Transferred, MlopusError]:
        root, opened = self._root("source"), self._staging(step.staged)
        if isinstance(root, Failure):
            return root
        if isinstance(opened, Failure):
            return opened
        source = self._repositories.workspace.source(root.unwrap())
        return opened.unwrap().adopt(step, source, self._meter)

    def _commit(self, step: CommitTree) -> Result[Committed, MlopusError]:
        opened = self._staging(step.staged)
        return opened if isinstance(opened, Failure) else opened.unwrap().commit(step)

    def _upload(self, step: UploadFiles) -> Result[Transferred, MlopusError]:
        root = self._root("source")
        if isinstance(root, Failure):
            return root
        source = self._repositories.workspace.source(root.unwrap())
        sent = self._repositories.stores.upload(step, source)
        if isinstance(sent, Failure):
            return sent
        return Success(
            Transferred(
                file_count=len(step.files),
                total_bytes=sum(upload.file.size_bytes for upload in step.files),
                skipped=len(step.kept),
                validators=sent.unwrap(),
            )
        )

    def _place(self, step: PlaceTree) -> Result[Transferred, MlopusError]:
        root = self._root("target")
        if isinstance(root, Failure):
            return root
        tree = self._tree(step.tree)
        if isinstance(tree, Failure):
            return tree
        return self._repositories.workspace.place(step, root.unwrap(), tree.unwrap(), self._meter)

    def _export(self, step: ExportTree) -> Result[Committed, MlopusError]:
        folder, tree = self._root("target"), self._tree(step.tree)
        if isinstance(folder, Failure):
            return folder
        if isinstance(tree, Failure):
            return tree
        folders = self._repositories.cache_folders
        return export_tree(step, folder.unwrap(), tree.unwrap(), folders, self._meter)

    def _tree(self, tree: CachedTree | StoreTree) -> Result[TreeSource, MlopusError]:
        match tree:
            case CachedTree():
                found = self._repositories.artifacts.tree(known(tree.tree_key))
                if isinstance(found, Failure):
                    return found
                return Success(Subtree(found.unwrap(), tree.path))
            case StoreTree():
                local = self._repositories.stores.local_source(tree.store_url)
                if local is None:
                    return Failure(NotCached(kind="artifact", key=tree.store_url, place="the local disk"))
                return Success(local)
            case _:
                assert_never(tree)


def root_of(name: str, roots: immutabledict[str, str]) -> Result[str, IllegalPath]:
    """The path that a root of a plan stands for."""
    path = roots.get(name)
    if path is None:
        hint = f"Give it to execute: roots={{{name!r}: ...}}."
        return Failure(IllegalPath(path=name, reason="is a root that this plan does not have", hint=hint))
    return Success(path)
