"""Result: the sealed sum of returns' two final classes, and the two functions that leave it.

`match` on a Result is exhaustive for mypy and pyright without a plugin, which the open base
class of `returns` cannot offer. A Result is still a `returns` container: `.map`, `.bind`, `.alt`,
`.value_or` and `.unwrap` work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from returns.result import Failure, Success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlopus.errors import MlopusError

__all__ = ["Failure", "Result", "Success", "collect", "mapped", "or_raise"]

T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E")
E_error = TypeVar("E_error", bound="MlopusError")

Result: TypeAlias = Success[T] | Failure[E]


def collect(results: Iterable[Result[T, E]]) -> Result[tuple[T, ...], E]:
    """Turn many Results into one: all values in order, or the first Failure.

    Stops consuming at the first Failure.

    Example:
        >>> collect([Success(1), Success(2)])
        <Success: (1, 2)>
        >>> collect([Success(1), Failure("no"), Success(3)])
        <Failure: no>
    """
    values: list[T] = []
    for result in results:
        if isinstance(result, Failure):
            return result
        values.append(result.unwrap())
    return Success(tuple(values))


def mapped(result: Result[T, E], function: Callable[[T], U]) -> Result[U, E]:
    """The Result with its value replaced: `.map` of returns, which forgets that a Result is sealed.

    Example:
        >>> mapped(Success(2), str)
        <Success: 2>
    """
    return result if isinstance(result, Failure) else Success(function(result.unwrap()))


def or_raise(result: Result[T, E_error]) -> T:
    """Give the value of a Success, or raise the error that a Failure carries.

    The error's hint is added to it as a note, so that a traceback ends with what to do next.
    `.unwrap()` raises returns' own UnwrapFailedError instead.

    Args:
        result: What a verb of mlopus returned.

    Returns:
        The value itself, not a container.

    Raises:
        MlopusError: The carried error itself, of its own class.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> mlopus.or_raise(api.create_exp("demo")).name
        'demo'
        >>> try:
        ...     mlopus.or_raise(api.get_exp_by_name("other"))
        ... except mlopus.errors.NotFound as error:
        ...     print(error)
        experiment 'other' was not found in memory
    """
    if isinstance(result, Failure):
        error = result.failure()
        if error.hint and error.hint not in getattr(error, "__notes__", ()):
            error.add_note(error.hint)
        raise error
    return result.unwrap()
