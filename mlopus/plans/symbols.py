"""Names for what only execution tells: the content of files whose store gives no digest.

Equal symbols stand for equal content. What a receipt tells replaces them, so that simulation and
execution can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ManifestFile, RemoteFile
from mlopus.plans.outcomes import Committed, Outcome, Transferred
from mlopus.plans.pending import known
from mlopus.plans.steps import CommitTree, ExportTree, FetchFiles, Step, StoreTree, UploadFiles


@attrs.frozen(kw_only=True)
class Learned:
    """What execution told: of a symbol the digest and size, or the validator ("": there is none)."""

    contents: immutabledict[str, tuple[str, int]] = immutabledict()
    validators: immutabledict[str, str] = immutabledict()

    def fetched(self, store_url: str, file: RemoteFile) -> ManifestFile:
        """A file as it is committed after it was fetched; a size that nobody tells is 0."""
        digest = file.sha256 or content_symbol(store_url, file)
        size = file.size_bytes or 0
        if self.contents:
            digest, size = self.contents.get(content_symbol(store_url, file), (digest, size))
        return ManifestFile(path=file.path, size_bytes=size, sha256=digest)

    def validator(self, store_url: str, path: str, sha256: str) -> str | None:
        """What a store says of a file after it was sent."""
        symbol = validator_symbol(store_url, path, sha256)
        return (self.validators.get(symbol, symbol) if self.validators else symbol) or None


NOTHING = Learned()
"""Before execution."""


def content_symbol(store_url: str, file: RemoteFile) -> str:
    """The content of a file, by what its store says of it."""
    return f"<content of {file.path!r} in {store_url} size {file.size_bytes} {file.validator or ''}>"


def validator_symbol(store_url: str, path: str, sha256: str) -> str:
    """What a store will say of a file with that content."""
    return f"<validator of {path!r} in {store_url} with {sha256}>"


def learned(done: Iterable[tuple[Step, Outcome]]) -> Learned:
    """What steps that were executed tell about the symbols of their simulation."""
    fetches: list[FetchFiles] = []
    contents: dict[str, tuple[str, int]] = {}
    validators: dict[str, str] = {}
    for step, outcome in done:
        match step, outcome:
            case FetchFiles(), _:
                fetches.append(step)
            case CommitTree(), Committed(manifest=manifest):
                held = {file.path: (file.sha256, file.size_bytes) for file in manifest.files}
                for fetch in fetches:
                    if fetch.staged == step.staged:
                        contents |= {content_symbol(fetch.store_url, f): held[f.path] for f in fetch.files}
            case ExportTree(tree=StoreTree(store_url=url)), Committed(manifest=manifest):
                said, sizes = known(step.commit.validators), {f.path: f.size_bytes for f in step.files}
                for written in manifest.files:
                    listed = RemoteFile(
                        path=written.path, size_bytes=sizes[written.path], validator=said.get(written.path)
                    )
                    contents[content_symbol(url, listed)] = (written.sha256, written.size_bytes)
            case UploadFiles(), Transferred():
                for upload in step.files:
                    file = upload.file
                    symbol = validator_symbol(step.store_url, file.path, file.sha256)
                    validators[symbol] = outcome.validators.get(file.path, "")
            case _:
                continue
    return Learned(contents=immutabledict(contents), validators=immutabledict(validators))
