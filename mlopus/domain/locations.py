"""Whose artifacts a model version's source names, as far as the text alone tells."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mlopus.domain.keys import AliasKey, VersionKey, version_key_from_uri
from mlopus.domain.manifest import ArtifactLocation, ArtifactSubject
from mlopus.domain.paths import join_path, path_below, relative_path, scheme_of
from mlopus.result import Failure

_LOGGED_MODEL = re.compile(r"models:/(?P<id>m-[0-9a-fA-F]+)(?:/(?P<path>.*))?")
_RUNS_URI = re.compile(r"runs:/(?P<id>[^/]+)(?:/(?P<path>.*))?", re.DOTALL)


def run_subject(run_id: str) -> ArtifactSubject:
    """The subject of a run's artifacts."""
    return ArtifactSubject(kind="run", key=run_id)


def path_below_url(url: str, root: str) -> str | None:
    """The relative path of a URL under a root URL, or None where it is not under it.

    Example:
        >>> path_below_url("mlflow-artifacts:/1/r/artifacts/model", "mlflow-artifacts:/1/r/artifacts")
        'model'
    """
    if not root:
        return None
    if scheme_of(root) == "file":  # a `?` or `#` in the name of a folder splits nothing
        return _plain(path_below(url.rstrip("/"), root.rstrip("/")))
    parts, root_parts = urlsplit(url), urlsplit(root)
    if (parts.scheme, parts.netloc, parts.query) != (root_parts.scheme, root_parts.netloc, root_parts.query):
        return None
    return _plain(path_below(parts.path.rstrip("/"), root_parts.path.rstrip("/")))


def _plain(below: str | None) -> str | None:
    return None if below is None or isinstance(relative_path(below), Failure) else below


def path_of_version(source: str, run_id: str, repo: str) -> str | None:
    """A version's place relative to its run's artifacts; None where it is not under them."""
    below = path_below_url(source, repo)
    if below is not None:
        return below
    named = run_path_named_by(source)
    return named[1] if named is not None and named[0] == run_id else None


def run_path_named_by(source: str) -> tuple[str, str] | None:
    """The run and the path in it that a `runs:` source names, if it names one.

    Since MLflow 3 such a path may also be the name of a model that the run logged, whose files are
    elsewhere; only the server tells.

    Example:
        >>> run_path_named_by("runs:/3f2a/model")
        ('3f2a', 'model')
    """
    match = _RUNS_URI.fullmatch(source)
    if match is None:
        return None
    path = relative_path(match["path"] or "")
    return None if isinstance(path, Failure) else (match["id"], path.unwrap())


def exp_named_by(source: str, run_id: str) -> str | None:
    """The experiment that a source seems to name, as MLflow lays out artifacts; only the run tells for sure.

    Example:
        >>> exp_named_by("s3://bucket/7/3f2a/artifacts/model", "3f2a")
        '7'
    """
    match = re.search(rf"/([0-9]+)/{re.escape(run_id)}/artifacts(?:/|\Z)", source)
    return None if match is None else match[1]


def url_subject(url: str) -> ArtifactSubject:
    """The subject of what belongs to no run and no logged model, as far as is known without asking."""
    return ArtifactSubject(kind="url", key=url)


def location_of_source(source: str, run_id: str | None, repo: str | None) -> ArtifactLocation | None:
    """Where a source is, without asking anybody; None where only another entity tells.

    The root URL of a logged model is not in its source, and is left empty.

    Example:
        >>> location_of_source("models:/m-0123abcd", None, None).subject.key
        'm-0123abcd'
    """
    if run_id is not None and repo is not None:
        path = path_of_version(source, run_id, repo)
        if path is not None:
            return ArtifactLocation(subject=run_subject(run_id), root_url=repo, path=path)
    logged = _LOGGED_MODEL.fullmatch(source)
    if logged is not None:
        subject = ArtifactSubject(kind="logged model", key=logged["id"])
        return ArtifactLocation(subject=subject, root_url="", path=join_path(logged["path"] or ""))
    if source.startswith(("models:", "runs:")):
        return None
    root = source.rstrip("/") or source
    return ArtifactLocation(subject=url_subject(root), root_url=root)


def version_named_by(source: str) -> VersionKey | AliasKey | None:
    """The other version that a source names, if it names one."""
    key = version_key_from_uri(source)
    return None if isinstance(key, Failure) else key.unwrap()
