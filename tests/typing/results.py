"""Checked by mypy and pyright, run by nobody: what the sealed Result lets them know.

A type that is no longer exact, or a match that is no longer complete, fails `just check`.
"""

from __future__ import annotations

from typing import assert_type

from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success, collect, or_raise


def values_and_errors_keep_their_types(result: Result[int, MlopusError]) -> None:
    match result:
        case Success(value):
            assert_type(value, int)
        case Failure(error):
            assert_type(error, MlopusError)


def two_cases_are_all_there_are(result: Result[int, MlopusError]) -> int:
    match result:  # were a case missing, so would a return be
        case Success(value):
            return value
        case Failure():
            return 0


def an_early_return_widens_the_error(result: Result[int, KeyError]) -> Result[str, KeyError | ValueError]:
    if isinstance(result, Failure):
        return result
    assert_type(result.unwrap(), int)
    return Success(str(result.unwrap()))


def leaving_a_result_keeps_the_type(result: Result[int, MlopusError]) -> None:
    assert_type(or_raise(result), int)
    assert_type(collect([result]), Result[tuple[int, ...], MlopusError])
