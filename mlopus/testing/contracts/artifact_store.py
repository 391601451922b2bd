"""What an artifact store must do."""

from __future__ import annotations

from mlopus.domain.paths import join_url
from mlopus.errors import IllegalPath, NotFound, StalePlan, Unsupported
from mlopus.result import Failure, Success
from mlopus.testing.contracts.reading_store import ReadingStoreContract
from mlopus.testing.contracts.store_case import StoreCase
from mlopus.testing.contracts.trees import MODEL, BytesSink, BytesSource, Tally, upload_of


class ArtifactStoreContract(ReadingStoreContract):
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `StoreCase`."""

    def test_what_was_uploaded_is_listed_and_fetched_back(self, case: StoreCase) -> None:
        url, sink, tally = join_url(case.url, "new/model"), BytesSink(), Tally()

        case.store.metered(tally).upload(upload_of(url, MODEL), BytesSource(MODEL)).unwrap()

        case.store.fetch(url, case.listed(url), sink).unwrap()
        assert sink.contents == MODEL
        assert tally.sent_bytes == sum(len(content) for content in MODEL.values())
        assert sorted(tally.files) == sorted(MODEL)

    def test_awkward_names_come_back_as_they_were_sent(self, case: StoreCase) -> None:
        url, sink = join_url(case.url, "awk ward"), BytesSink()

        case.store.upload(upload_of(url, case.names), BytesSource(case.names)).unwrap()

        case.store.fetch(url, case.listed(url), sink).unwrap()
        assert sink.contents == case.names

    def test_a_single_file_is_uploaded_to_the_url_itself(self, case: StoreCase) -> None:
        url = join_url(case.url, "some/file.bin")

        case.store.upload(upload_of(url, {"": b"alone"}), BytesSource({"": b"alone"})).unwrap()

        assert case.peek("some/file.bin") == b"alone"
        assert case.store.list_tree(url).unwrap().is_file

    def test_an_upload_replaces_what_it_names_and_leaves_the_rest(self, case: StoreCase) -> None:
        url = case.fill({"a": b"old", "b": b"left"})

        case.store.upload(upload_of(url, {"a": b"new"}), BytesSource({"a": b"new"})).unwrap()

        assert (case.peek("model/a"), case.peek("model/b")) == (b"new", b"left")

    def test_validators_answered_for_an_upload_are_those_listed_after_it(self, case: StoreCase) -> None:
        url = join_url(case.url, "model")

        told = case.store.upload(upload_of(url, MODEL), BytesSource(MODEL)).unwrap()

        listed = {file.path: file.validator for file in case.listed(url)}
        assert dict(told) == {path: listed[path] for path in told}

    def test_empty_folders_are_kept_where_the_store_has_folders(self, case: StoreCase) -> None:
        url = join_url(case.url, "model")

        case.store.upload(
            upload_of(url, MODEL, empty_folders=("logs", "data/x")), BytesSource(MODEL)
        ).unwrap()

        kept = case.store.list_tree(url).unwrap().empty_folders
        assert kept == (("data/x", "logs") if case.keeps_folders else ())

    def test_a_source_that_changed_since_it_was_hashed_is_not_sent(self, case: StoreCase) -> None:
        url, tally = case.fill({"a": b"old"}), Tally()
        step = upload_of(url, {"a": b"changed"}, hashed={"a": b"as hashed"})

        sent = case.store.metered(tally).upload(step, BytesSource({"a": b"changed"}))

        assert isinstance(sent.failure(), StalePlan)
        assert [file.path for file in case.listed(url)] == ["a"]  # asked first: a part would be stored by now
        assert case.peek("model/a") == b"old"
        assert tally.sent_bytes == 0

    def test_a_source_that_changed_behind_its_first_bytes_leaves_what_was_there(
        self, case: StoreCase
    ) -> None:
        url, before = case.fill({"a": b"old"}), bytes(3_000_000)
        step = upload_of(url, {"a": before[1:] + b"x"}, hashed={"a": before})

        sent = case.store.upload(step, BytesSource({"a": before[1:] + b"x"}))

        assert isinstance(sent.failure(), StalePlan)
        assert [file.path for file in case.listed(url)] == ["a"]
        assert case.peek("model/a") == b"old"

    def test_a_source_that_is_gone_stops_the_upload(self, case: StoreCase) -> None:
        sent = case.store.upload(upload_of(case.url, {"a": b"1"}), BytesSource({}))

        assert isinstance(sent.failure(), NotFound)

    def test_nothing_is_uploaded_outside_of_the_url(self, case: StoreCase) -> None:
        files = {"../outside": b"1", "inside": b"2"}

        sent = case.store.upload(upload_of(join_url(case.url, "model"), files), BytesSource(files))

        assert isinstance(sent.failure(), IllegalPath)
        assert (case.peek("outside"), case.peek("model/inside")) == (None, None)

    def test_a_file_in_the_place_of_a_folder_is_told_or_stays(self, case: StoreCase) -> None:
        url = case.fill({"a": b"file", "folder/b": b"1"})
        paths = ("a/x", "a/x/y", "folder/b/x", "a", "folder/x", "nothing/x", "")

        told = [case.store.file_above(url, path).unwrap() for path in paths]

        if case.has_folders:
            sent = case.store.upload(upload_of(join_url(url, "a/x"), {"": b"2"}), BytesSource({"": b"2"}))
            assert (told, isinstance(sent, Failure)) == ([None] * len(paths), True)
        else:
            assert told == ["a", "a", "folder/b", None, None, None, None]
        assert case.peek("model/a") == b"file"

    def test_removing_counts_the_files_that_were_there(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        removed = case.store.remove(url, ("MLmodel", "data/never-there"))

        assert removed == Success(1)
        assert [file.path for file in case.listed(url)] == ["data/empty.txt", "data/weights.bin"]

    def test_removing_every_file_leaves_nothing(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        case.store.remove(url, tuple(MODEL)).unwrap()

        assert not case.store.list_tree(url).unwrap().exists

    def test_a_single_file_is_removed_under_the_empty_path(self, case: StoreCase) -> None:
        url = case.fill({"": b"alone"}, "file.bin")

        assert case.store.remove(url, ("",)) == Success(1)
        assert case.peek("file.bin") is None

    def test_nothing_is_removed_outside_of_the_url(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"})
        case.fill({"precious": b"2"}, "other")

        removed = case.store.remove(url, ("../other/precious",))

        assert isinstance(removed.failure(), IllegalPath)
        assert case.peek("other/precious") == b"2"


class ReadOnlyStoreContract(ReadingStoreContract):
    """The same for a store that is only read, such as an archive."""

    def test_nothing_is_uploaded(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"})

        sent = case.store.upload(upload_of(url, {"a": b"2"}), BytesSource({"a": b"2"}))

        assert isinstance(sent.failure(), Unsupported)
        assert case.peek("model/a") == b"1"

    def test_nothing_is_removed(self, case: StoreCase) -> None:
        url = case.fill({"a": b"1"})

        removed = case.store.remove(url, ("a",))

        assert isinstance(removed.failure(), Unsupported)
        assert case.peek("model/a") == b"1"
