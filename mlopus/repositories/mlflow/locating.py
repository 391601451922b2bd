"""Where the bytes of a model version are: its source followed until it names a store."""

from __future__ import annotations

import re
from typing import Final

import attrs

from mlopus.domain.keys import AliasKey, VersionKey
from mlopus.domain.locations import location_of_source, path_below_url, run_subject, version_named_by
from mlopus.domain.manifest import ArtifactLocation, ArtifactSubject
from mlopus.domain.paths import relative_path
from mlopus.domain.records import RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotFound, UnreadableReply, Unsupported
from mlopus.repositories.mlflow.asking import Asking
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.clauses import is_literal
from mlopus.wire.mlflow.logged_models import (
    get_logged_model_request,
    logged_model_from_reply,
    search_logged_models_from_reply,
    search_logged_models_request,
)
from mlopus.wire.mlflow.models import (
    download_uri_from_reply,
    download_uri_request,
    get_version_by_alias_request,
    get_version_request,
    version_from_reply,
)
from mlopus.wire.mlflow.runs import (
    get_run_request,
    has_artifacts_from_reply,
    run_artifacts_request,
    run_from_reply,
)

MAX_HOPS: Final = 8
_RUNS_URI = re.compile(r"runs:/(?P<id>[^/]+)(?:/(?P<path>.*))?", re.DOTALL)


@attrs.frozen(kw_only=True)
class Locator:
    """Follows sources; runs and logged models are asked of one server, versions of the registry."""

    tracking: Asking
    registry: Asking

    def locate(
        self, version: VersionRecord, run: RunRecord | None, hops: int = MAX_HOPS
    ) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's bytes are.

        Args:
            version: The version.
            run: Its run, if it has one and it is known.
            hops: How many versions of versions are followed; more is a circle.
        """
        source = version.source
        if run is not None:
            for root in dict.fromkeys((run.repo, run.artifact_uri)):
                path = path_below_url(source, root)
                if path is not None:
                    return Success(ArtifactLocation(subject=run_subject(run.id), root_url=root, path=path))
        if (match := _RUNS_URI.fullmatch(source)) is not None:
            return self._in_run(match["id"], match["path"] or "", run)
        if (other := version_named_by(source)) is not None:
            return self._of_other(version, other, hops)
        named = location_of_source(source, None, None)
        if named is not None and named.subject.kind == "logged model":
            return self._in_logged_model(named.subject.key, named.path)
        return self._as_downloaded(version, named)

    def _of_other(
        self, version: VersionRecord, key: VersionKey | AliasKey, hops: int
    ) -> Result[ArtifactLocation, MlopusError]:
        if hops == 0:
            request = get_version_request(version.name, version.version)
            reason = "its source leads from version to version without an end"
            place = self.registry.place
            return Failure(
                UnreadableReply(place=place, request=request.name, reason=reason, excerpt=version.source)
            )
        request = (
            get_version_request(key.name, key.version)
            if isinstance(key, VersionKey)
            else get_version_by_alias_request(key.name, key.alias)
        )
        found = self.registry.call(request, version_from_reply)
        if isinstance(found, Failure):
            return found
        other = found.unwrap()
        run = self._run_of(other)
        if isinstance(run, Failure):
            return run
        return self.locate(other, run.unwrap(), hops - 1)

    def _run_of(self, version: VersionRecord) -> Result[RunRecord | None, MlopusError]:
        """The run of a version; servers do not check that it exists."""
        if version.run_id is None:
            return Success(None)
        run = self.tracking.call(get_run_request(version.run_id), run_from_reply)
        return Success(None) if isinstance(run, Failure) and isinstance(run.failure(), NotFound) else run

    def _in_run(
        self, run_id: str, path: str, known: RunRecord | None
    ) -> Result[ArtifactLocation, MlopusError]:
        """A path of a run; since MLflow 3 that may be the name of a model that the run logged.

        A model is preferred to files of the run at the same path, as MLflow's client does.
        """
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked
        found = (
            Success(known)
            if known is not None and known.id == run_id
            else self.tracking.call(get_run_request(run_id), run_from_reply)
        )
        if isinstance(found, Failure):
            return found
        run = found.unwrap()
        in_run = ArtifactLocation(
            subject=run_subject(run.id), root_url=run.artifact_uri, path=checked.unwrap()
        )
        if not run.logged_model_ids:
            request = run_artifacts_request(run_id, in_run.path)
            listed = self.tracking.call(request, has_artifacts_from_reply)
            if isinstance(listed, Failure):
                return listed
            if listed.unwrap():
                return Success(in_run)
        return self._logged_by(run, attrs.evolve(in_run, root_url=run.repo))

    def _logged_by(self, run: RunRecord, in_run: ArtifactLocation) -> Result[ArtifactLocation, MlopusError]:
        name, _, rest = in_run.path.partition("/")
        if not name or "'" in name or not is_literal(name):
            return Success(in_run)
        request = search_logged_models_request(run.exp_id, name, run.id)
        found = self.tracking.call(request, search_logged_models_from_reply)
        if isinstance(found, Failure):
            return Success(in_run) if isinstance(found.failure(), Unsupported) else found
        models = found.unwrap()
        if not models:
            return Success(in_run)
        subject = ArtifactSubject(kind="logged model", key=models[0].id)
        return Success(ArtifactLocation(subject=subject, root_url=models[0].artifact_uri, path=rest))

    def _in_logged_model(self, model_id: str, path: str) -> Result[ArtifactLocation, MlopusError]:
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked
        found = self.tracking.call(get_logged_model_request(model_id), logged_model_from_reply)
        if isinstance(found, Failure):
            return found
        subject = ArtifactSubject(kind="logged model", key=model_id)
        root = found.unwrap().artifact_uri
        return Success(ArtifactLocation(subject=subject, root_url=root, path=checked.unwrap()))

    def _as_downloaded(
        self, version: VersionRecord, named: ArtifactLocation | None
    ) -> Result[ArtifactLocation, MlopusError]:
        """Where the registry says to download from, under the name that the source itself gives."""
        request = download_uri_request(version.name, version.version)
        uri = self.registry.call(request, download_uri_from_reply)
        if isinstance(uri, Failure):
            return uri
        root = uri.unwrap().rstrip("/") or uri.unwrap()
        if named is not None:
            return Success(attrs.evolve(named, root_url=root))
        return Success(ArtifactLocation(subject=ArtifactSubject(kind="url", key=root), root_url=root))
