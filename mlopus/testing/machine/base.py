"""What all rules of the state machine share: an API, the model, how their answers are compared."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize

from mlopus.api.client import MlflowApi
from mlopus.domain.nested import flatten
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success, or_raise
from mlopus.testing.machine.model import StateModel
from mlopus.testing.machine.values import Contents, Fails

OpenApi: TypeAlias = Callable[[str], MlflowApi]
"""Opens an API whose repositories keep what they hold in that folder, or for it; later opens find it."""

exps: Final[Bundle[str]] = Bundle("exps")
runs: Final[Bundle[str]] = Bundle("runs")
models: Final[Bundle[str]] = Bundle("models")


class BaseMachine(RuleBasedStateMachine):
    """An API and the model, to both of which rules do the same."""

    def __init__(self, open_api: OpenApi) -> None:
        super().__init__()
        self._open = open_api
        self.home = Path(tempfile.mkdtemp(prefix="mlopus-machine-"))
        self._store = str(self.home / "held")
        self._unique = uuid.uuid4().hex[:8]
        self.opened = open_api(self._store)
        self.model = StateModel(())

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def api(self) -> MlflowApi:
        """The API as the mode is."""
        return self.opened.in_offline_mode if self.model.offline else self.opened

    @initialize(target=exps)
    def begin(self) -> str:
        """An experiment, and what its store tells of files."""
        exp = or_raise(self.opened.create_exp(self.named("e")))
        run = or_raise(self.opened.create_run(exp.id))
        store = or_raise(self.opened.repositories.stores.facts(run.repo))
        self.model = StateModel(tuple(store.tells))
        self.model.exps[exp.id] = exp.name
        self.model.rows.add(("experiment", exp.id))
        return exp.id

    def named(self, name: str) -> str:
        """A name that nobody else has on a store that is shared."""
        return f"{name} {self._unique}"

    def written(self, source: Contents) -> Path:
        """The source on disk, in a folder of its own."""
        path = self.home / uuid.uuid4().hex
        for name, content in source.items():
            file = path / name if name else path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return path

    def is_below_a_file(self, run: str, path: str) -> bool:
        """Whether a path leads through a file, where stores differ in what they do."""
        above = [path[:end] for end, char in enumerate(path) if char == "/"]
        return any(folder in self.model.runs[run].files for folder in above)

    def remove_target(self, name: str) -> None:
        """Let the user remove what was placed."""
        target = self.home / name
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
        del self.model.targets[name]

    def is_on_disk(self) -> bool:
        """Whether paths of the cache are its own files, and not copies of what is in memory."""
        return bool(self.opened.repositories.protected)

    def same_bytes(self, result: Result[Path, MlopusError], predicted: Fails | Contents) -> None:
        """Compare what is at the path that a verb gave."""
        if agrees(result, predicted if isinstance(predicted, Fails) else None):
            assert contents_at(or_raise(result)) == predicted


def agrees(result: Result[Any, MlopusError], predicted: object) -> bool:
    """Whether both succeeded; a difference is an AssertionError."""
    fails = predicted if isinstance(predicted, Fails) else None
    match result:
        case Success(value):
            assert fails is None, f"{fails} was predicted, and it succeeded: {value}"
            return True
        case Failure(error):
            assert fails is not None, f"{type(error).__name__} was not predicted: {error}"
            told = {name: getattr(error, name) for name in fails.fields}
            assert (type(error), told) == (fails.error, dict(fails.fields)), f"{error}"
            return False


def flat(nested: Any) -> dict[str, Any]:
    """A nested mapping under dotted keys."""
    return dict(flatten(nested).unwrap())


def root_name(repo: str) -> str:
    """The last component of a URL's path."""
    return urlsplit(repo).path.rstrip("/").rpartition("/")[2]


def contents_at(path: Path) -> Contents:
    """The files at a path, "" being a file itself."""
    if path.is_file():
        return {"": path.read_bytes()}
    found = sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in found}
