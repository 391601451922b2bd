"""Hashing while bytes are written says what hashing them at once says."""

from __future__ import annotations

import hashlib
import threading

import pytest

from mlopus.repositories.disk.digesting import APART_FROM_BYTES, Digest

KIB = 1024


def chunks_of(size_bytes: int, chunk_bytes: int) -> list[bytes]:
    """Different chunks, the last as short as it must be."""
    begins = range(0, size_bytes, chunk_bytes)
    return [
        bytes([number % 251]) * min(chunk_bytes, size_bytes - begin) for number, begin in enumerate(begins)
    ]


@pytest.mark.parametrize("chunk_bytes", [300 * KIB, 1024 * KIB, 3000 * KIB])
@pytest.mark.parametrize(
    "size_bytes", [0, 1, APART_FROM_BYTES, APART_FROM_BYTES + 1, 4 * APART_FROM_BYTES + 17]
)
def test_it_is_the_sha256_of_all_bytes_in_order(size_bytes: int, chunk_bytes: int) -> None:
    chunks = chunks_of(size_bytes, chunk_bytes)
    digest = Digest()

    for chunk in chunks:
        digest.update(chunk)

    assert digest.hexdigest() == hashlib.sha256(b"".join(chunks)).hexdigest()
    digest.close()


def test_it_may_be_asked_between_chunks() -> None:
    chunks = chunks_of(3 * APART_FROM_BYTES, 700 * KIB)
    digest, whole = Digest(), hashlib.sha256()

    for chunk in chunks:
        digest.update(chunk)
        whole.update(chunk)
        assert digest.hexdigest() == whole.hexdigest()
    digest.close()


def test_its_thread_ends_when_it_is_closed() -> None:
    before = set(threading.enumerate())
    digest = Digest()
    for chunk in chunks_of(2 * APART_FROM_BYTES, KIB * KIB):
        digest.update(chunk)
    (own,) = set(threading.enumerate()) - before

    digest.close()
    own.join(5)

    assert not own.is_alive()


def test_a_small_file_takes_no_thread() -> None:
    before = threading.active_count()
    digest = Digest()
    digest.update(b"x" * APART_FROM_BYTES)

    assert threading.active_count() == before
