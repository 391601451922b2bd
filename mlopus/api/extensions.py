"""Tracking stores of other packages, found by the entry-point group `mlopus.repositories`.

A package registers a URI scheme in its pyproject.toml, as the name of a `TrackingFactory`:

    [project.entry-points."mlopus.repositories"]
    acme = "acme_tracking:open_store"

Then `mlopus.connect("acme://somewhere")` works wherever it is installed. The schemes that mlopus serves
itself cannot be taken over. `mlopus.testing.contracts.tracking` is what such a store must pass.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, cast

from mlopus.api.tracking_stores import shown
from mlopus.settings import Settings

if TYPE_CHECKING:
    from mlopus.ports.tracking import Tracking

GROUP = "mlopus.repositories"


class TrackingFactory(Protocol):
    """Makes the tracking store of a URI."""

    def __call__(self, uri: str, settings: Settings) -> Tracking:
        """Give the store; nothing is opened or asked yet, for this is done offline too.

        Its `origin` keeps apart in the cache what comes from different stores: two URIs of one store
        should give one origin, and a secret in the URI has no place in it; `Origin.of(uri)` leaves out
        user and password. The artifacts that its records name are opened by mlopus.

        Args:
            uri: As the user gave it, with the scheme that is registered.
            settings: What else the user set; credentials of a server are for this store only if it is
                that server.
        """
        ...


def factory_for(uri: str, scheme: str) -> TrackingFactory:
    """The factory that an installed package registers for a scheme; this loads the package.

    Raises:
        ValueError: None does, several do, or the one that does cannot be loaded.
    """
    found = {(entry.value, _package_of(entry)): entry for entry in _registered(scheme)}
    if not found:
        raise ValueError(
            f"tracking URI {shown(uri)!r} has the unknown scheme {scheme!r}: give http://, https://, file: "
            f"or a folder, or install the package that serves it (entry point {scheme!r} of {GROUP!r})"
        )
    if len(found) > 1:
        packages = " and ".join(sorted(f"{package} ({value})" for value, package in found))
        raise ValueError(
            f"scheme {scheme!r} of {shown(uri)!r} is claimed by {packages}: uninstall all but one"
        )
    ((value, package), entry) = next(iter(found.items()))
    try:
        factory: object = entry.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"package {package} serves scheme {scheme!r}, but {value!r} cannot be loaded: {reason}"
        ) from error
    if callable(factory):
        return cast("TrackingFactory", factory)
    raise ValueError(f"package {package} serves scheme {scheme!r}, but {value!r} is not a function")


def opened(uri: str, scheme: str, settings: Settings) -> Tracking:
    """The store of a URI, from the package that serves its scheme.

    Raises:
        ValueError: There is no such package any more, or it cannot be loaded.
        TypeError: What it gives is not a tracking store.
    """
    from mlopus.ports.tracking import Tracking

    store = factory_for(uri, scheme)(uri, settings)
    lacks = [name for name in vars(Tracking) if not name.startswith("_") and not hasattr(store, name)]
    if lacks:
        raise TypeError(
            f"the factory of scheme {scheme!r} gave {type(store).__name__}, which is no tracking store: it "
            f"has no {', '.join(lacks)}"
        )
    return store


def _registered(scheme: str) -> tuple[EntryPoint, ...]:
    return tuple(entry for entry in entry_points(group=GROUP) if entry.name.lower() == scheme)


def _package_of(entry: EntryPoint) -> str:
    return "an unnamed package" if entry.dist is None else entry.dist.name
