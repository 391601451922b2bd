"""What an artifact store must do for who reads from it."""

from __future__ import annotations

import pickle

from mlopus.domain.manifest import RemoteFile
from mlopus.domain.paths import join_url
from mlopus.errors import DigestMismatch, IllegalPath, NotFound, StalePlan, StoreFailed
from mlopus.result import Failure
from mlopus.testing.contracts.resumed_fetch import ResumedFetchContract
from mlopus.testing.contracts.store_case import StoreCase
from mlopus.testing.contracts.trees import MODEL, BytesSink, Tally, content_of, sha256


class ReadingStoreContract(ResumedFetchContract):
    """A part of `ArtifactStoreContract`, and of `ReadOnlyStoreContract`."""

    def test_a_folder_lists_every_file_below_it_by_path(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        tree = case.store.list_tree(url).unwrap()

        assert [file.path for file in tree.files] == sorted(MODEL)
        assert not tree.is_file

    def test_a_listing_says_of_files_what_the_store_is_said_to_tell(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        files = case.listed(url)

        sizes = [len(MODEL[file.path]) if case.tells("size") else None for file in files]
        digests = [sha256(MODEL[file.path]) if case.tells("sha256") else None for file in files]
        assert [file.size_bytes for file in files] == sizes
        assert [file.sha256 for file in files] == digests
        assert [file.validator is not None for file in files] == [case.tells("validator")] * len(files)

    def test_a_file_lists_as_itself(self, case: StoreCase) -> None:
        url = case.fill({"": b"alone"}, "file.bin")

        tree = case.store.list_tree(url).unwrap()

        assert [file.path for file in tree.files] == [""]
        assert tree.is_file

    def test_where_nothing_is_the_listing_is_empty(self, case: StoreCase) -> None:
        tree = case.store.list_tree(join_url(case.url, "nothing")).unwrap()

        assert not tree.exists
        assert not tree.is_file

    def test_a_neighbour_whose_name_begins_alike_is_not_listed(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"}, "model")
        case.fill({"b": b"2"}, "model2")

        assert [file.path for file in case.listed(url)] == ["a"]

    def test_a_listing_with_a_hostile_name_is_refused(self, case: StoreCase) -> None:
        for number, names in enumerate(case.hostile):
            url = case.fill(dict.fromkeys(names, b"x"), f"hostile-{number}")

            refused = case.store.list_tree(url)

            assert isinstance(refused, Failure), names
            assert isinstance(refused.failure(), IllegalPath), names

    def test_a_folder_shows_what_is_directly_in_it(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        entries = case.store.list_folder(url).unwrap()

        assert [(entry.path, entry.name, entry.is_dir) for entry in entries] == [
            ("MLmodel", "MLmodel", False),
            ("data", "data", True),
        ]
        size = len(MODEL["MLmodel"]) if case.tells("size") else None
        assert [entry.size_bytes for entry in entries] == [size, None]

    def test_a_file_shows_itself(self, case: StoreCase) -> None:
        url = case.fill({"": b"alone"}, "file.bin")

        (entry,) = case.store.list_folder(url).unwrap()

        assert (entry.path, entry.name, entry.is_dir) == ("", "file.bin", False)

    def test_a_folder_that_is_not_there_is_not_found(self, case: StoreCase) -> None:
        shown = case.store.list_folder(join_url(case.url, "nothing"))

        assert isinstance(shown.failure(), NotFound)

    def test_fetching_brings_every_byte_and_counts_it(self, case: StoreCase) -> None:
        url, sink, tally = case.fill(MODEL), BytesSink(), Tally()

        case.store.metered(tally).fetch(url, case.listed(url), sink).unwrap()

        assert sink.contents == MODEL
        assert tally.received_bytes == sum(len(content) for content in MODEL.values())
        assert sorted(tally.files) == sorted(MODEL)

    def test_fetching_answers_the_validators_that_were_listed(self, case: StoreCase) -> None:
        url = case.fill(MODEL)
        files = case.listed(url)

        told = case.store.fetch(url, files, BytesSink()).unwrap()

        listed = {file.path: file.validator for file in files if file.validator is not None}
        assert {path: told[path] for path in listed} == listed

    def test_a_single_file_is_fetched_under_the_empty_path(self, case: StoreCase) -> None:
        url, sink = case.fill({"": b"alone"}, "file.bin"), BytesSink()

        case.store.fetch(url, case.listed(url), sink).unwrap()

        assert sink.contents == {"": b"alone"}

    def test_a_file_of_another_size_than_listed_is_dropped(self, case: StoreCase) -> None:
        url, sink, tally = case.fill({"a": b"12345"}), BytesSink(), Tally()
        for wrong in (4, 6):
            fetched = case.store.metered(tally).fetch(url, (RemoteFile(path="a", size_bytes=wrong),), sink)

            assert isinstance(fetched.failure(), DigestMismatch)
        assert sink.contents == {}
        assert tally.received_bytes == 0

    def test_a_file_of_another_digest_than_listed_is_dropped(self, case: StoreCase) -> None:
        url, sink = case.fill({"a": b"12345"}), BytesSink()

        fetched = case.store.fetch(url, (RemoteFile(path="a", sha256=sha256(b"54321")),), sink)

        assert isinstance(fetched.failure(), DigestMismatch)
        assert sink.contents == {}

    def test_a_file_replaced_since_it_was_listed_is_stale_where_the_store_can_tell(
        self, case: StoreCase
    ) -> None:
        url, sink = case.fill({"a": b"before"}), BytesSink()
        listed = case.listed(url)
        case.fill({"a": b"after!"})

        fetched = case.store.fetch(url, listed, sink)

        if case.tells("validator"):
            assert isinstance(fetched.failure(), StalePlan)
            assert sink.contents == {}
        elif case.tells("sha256"):
            assert isinstance(fetched.failure(), DigestMismatch)
            assert sink.contents == {}
        else:
            assert sink.contents == {"a": b"after!"}

    def test_a_file_that_is_gone_since_it_was_listed_is_not_found(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"})

        fetched = case.store.fetch(url, (RemoteFile(path="gone"),), BytesSink())

        assert isinstance(fetched.failure(), NotFound)

    def test_what_the_receiver_says_stops_the_fetch(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"})
        full = StoreFailed(place="disk", action="writing", reason="No space left on device")

        fetched = case.store.fetch(url, case.listed(url), BytesSink(failure=full))

        assert fetched == Failure(full)

    def test_one_file_can_be_opened_as_a_stream(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        with case.store.open(join_url(url, "data/weights.bin")).unwrap() as reader:
            begin, rest = reader.read(10), reader.read()

        assert begin + rest == MODEL["data/weights.bin"]

    def test_opening_what_is_not_there_is_not_found(self, case: StoreCase) -> None:
        assert isinstance(case.store.open(join_url(case.url, "nothing")).failure(), NotFound)

    def test_opening_a_folder_is_not_found(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        for folder in (url, join_url(url, "data"), join_url(case.url, "nothing")):
            refused = case.store.open(folder).failure()
            assert isinstance(refused, NotFound), refused
            assert refused.kind == "artifact"

    def test_only_files_of_this_disk_can_be_read_in_place(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        source = case.store.local_source(url)

        assert (source is not None) == case.store.facts(url).unwrap().is_local
        assert source is None or content_of(source, "MLmodel") == MODEL["MLmodel"]

    def test_only_the_metered_copy_tells_the_meter(self, case: StoreCase) -> None:
        url, tally = case.fill(MODEL), Tally()
        case.store.metered(tally)

        case.store.fetch(url, case.listed(url), BytesSink()).unwrap()

        assert tally.received_bytes == 0

    def test_a_store_can_be_sent_to_another_process(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        copy = pickle.loads(pickle.dumps(case.store))  # noqa: S301 (its own bytes)

        assert [file.path for file in copy.list_tree(url).unwrap().files] == sorted(MODEL)
