"""What an artifact store must do with what an earlier fetch left in the sink."""

from __future__ import annotations

from mlopus.errors import StoreFailed
from mlopus.testing.contracts.store_case import StoreCase
from mlopus.testing.contracts.trees import BytesSink, Tally


class ResumedFetchContract:
    """A part of `ArtifactStoreContract`."""

    def test_a_fetch_says_of_which_content_the_bytes_are_before_they_come(self, case: StoreCase) -> None:
        url = case.fill({"a": b"12345"})
        (file,) = case.listed(url)
        full = StoreFailed(place="disk", action="writing", reason="No space left on device")
        sink = BytesSink(failure=full)

        case.store.fetch(url, (file,), sink)

        known = [validator for validator, _ in sink.partial.values()]
        assert known == ([] if not known else [file.validator or known[0]])
        assert known or not case.resumes

    def test_a_fetch_goes_on_after_what_is_kept_of_the_same_content(self, case: StoreCase) -> None:
        content = bytes(range(256)) * 20
        url = case.fill({"half": content, "whole": content})
        files = case.listed(url)
        told = case.store.fetch(url, files, BytesSink()).unwrap()
        left = {"half": content[:3000], "whole": content}
        sink, tally = BytesSink(left={path: (told[path], left[path]) for path in told}), Tally()

        again = case.store.metered(tally).fetch(url, files, sink).unwrap()

        assert (sink.contents, again) == ({"half": content, "whole": content}, told)
        assert tally.received_bytes + tally.resumed_bytes == 2 * len(content)
        if case.resumes:
            whole = 0 if case.tells("validator") and case.tells("size") else 1 if case.tells("size") else 0
            assert tally.received_bytes == len(content) - 3000 + whole

    def test_what_is_kept_of_another_content_is_not_used(self, case: StoreCase) -> None:
        url = case.fill({"a": b"12345", "b": b"12345"})
        sink, tally = BytesSink(left={"a": ("of another", b"xxx"), "b": ("of another", b"xxxxx")}), Tally()

        case.store.metered(tally).fetch(url, case.listed(url), sink).unwrap()

        assert sink.contents == {"a": b"12345", "b": b"12345"}
        assert (tally.received_bytes, tally.resumed_bytes) == (10, 0)
