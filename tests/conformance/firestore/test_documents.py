"""Documents of Firestore and of the emulator, as a client reads them."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore as google

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.processes.firestore import Firestore

VALUES: dict[str, Any] = {
    "text": "x",
    "int": 1,
    "float": 1.5,
    "yes": True,
    "nothing": None,
    "bytes": b"\x00\xff",
    "map": {"k": [1, {"z": 2}]},
    "time": datetime(2026, 11, 25, 12, tzinfo=UTC),
    "large": 2**53 + 1,
    "empty": {},
    "none": [],
}


def nested(depth: int) -> Any:
    """A number in so many maps."""
    value: Any = 1
    for _ in range(depth):
        value = {"m": value}
    return value


@pytest.fixture
def document(things: Any) -> Any:
    return things.document("a")


def test_values_of_every_type_come_back(document: Any, things: Any) -> None:
    document.set(VALUES)
    assert document.get().to_dict() == VALUES
    assert not things.document("b").get().exists


def test_a_set_replaces_and_a_merge_merges_deeply(document: Any) -> None:
    document.set({"a": 1, "b": 2})
    document.set({"a": 3, "m": {"x": 1}})
    document.set({"m": {"y": 2}}, merge=True)
    assert document.get().to_dict() == {"a": 3, "m": {"x": 1, "y": 2}}


def test_an_update_goes_by_paths_and_needs_a_document(document: Any) -> None:
    with pytest.raises(exceptions.NotFound):
        document.update({"a": 1})
    document.set({"m": {"x": 1}, "k": 1, "gone": 1})
    document.update({"m.x": 5, "n": 1, "gone": google.DELETE_FIELD})
    assert document.get().to_dict() == {"m": {"x": 5}, "k": 1, "n": 1}


def test_a_deletion_needs_no_document(document: Any) -> None:
    document.set({"a": 1})
    document.delete()
    document.delete()
    assert not document.get().exists


def test_a_creation_needs_that_there_is_none(document: Any) -> None:
    document.create({"a": 1})
    with pytest.raises(exceptions.AlreadyExists):
        document.create({"a": 2})
    assert document.get().to_dict() == {"a": 1}


@pytest.mark.parametrize("write", ["update", "delete"])
def test_a_write_that_names_a_time_needs_that_nothing_happened_since(
    client: Any, document: Any, write: str
) -> None:
    def attempt(seen: Any) -> None:
        option = client.write_option(last_update_time=seen.update_time)
        if write == "update":
            document.update({"a": 3}, option=option)
        else:
            document.delete(option=option)

    document.set({"a": 1})
    seen = document.get()
    document.update({"a": 2})
    with pytest.raises(exceptions.FailedPrecondition):
        attempt(seen)
    assert document.get().get("a") == 2
    attempt(document.get())


def test_the_server_sets_times_and_sums(document: Any) -> None:
    document.set({"a": 1, "m": {"x": 1}, "at": google.SERVER_TIMESTAMP})
    assert isinstance(document.get().get("at"), datetime)
    document.update(
        {
            "t1": google.SERVER_TIMESTAMP,
            "t2": google.SERVER_TIMESTAMP,
            "a": google.Increment(5),
            "z": google.Increment(2),
        }
    )
    document.update({"m.x": google.Increment(1)})
    found = document.get().to_dict()
    assert (found["a"], found["z"], found["m"]) == (6, 2, {"x": 2})
    assert found["t1"] == found["t2"]


def test_lists_grow_by_what_they_lack_and_shrink_by_value(document: Any) -> None:
    document.set({"there": [1]})
    union = google.ArrayUnion([1, 2])
    document.update({"there": union, "new": union})
    document.update({"there": google.ArrayRemove([1])})
    assert document.get().to_dict() == {"there": [2], "new": [1, 2]}


def test_a_batch_is_applied_whole(client: Any, things: Any) -> None:
    batch = client.batch()
    for n in range(50):
        batch.set(things.document(f"d{n:02}"), {"n": n})
    batch.delete(things.document("d00"))
    batch.commit()
    assert len(list(things.stream())) == 49


def test_a_batch_of_which_one_write_fails_leaves_nothing(client: Any, things: Any) -> None:
    batch = client.batch()
    batch.set(things.document("x"), {"n": 1})
    batch.update(things.document("missing"), {"n": 1})
    with pytest.raises(exceptions.NotFound):
        batch.commit()
    assert not things.document("x").get().exists


def test_several_are_read_at_once(client: Any, things: Any) -> None:
    things.document("a").set({"n": 1})
    found = client.get_all([things.document("a"), things.document("b")])
    assert {snapshot.id: snapshot.exists for snapshot in found} == {"a": True, "b": False}


def test_what_lies_below_a_document_needs_not_that_document(client: Any, things: Any) -> None:
    things.document("there").set({})
    below = things.document("ghost").collection("below")
    below.document("1").set({"v": 1})
    assert [snapshot.get("v") for snapshot in below.stream()] == [1]
    assert [each.id for each in things.document("ghost").collections()] == ["below"]
    assert sorted(each.id for each in things.list_documents()) == ["ghost", "there"]
    client.recursive_delete(things)
    assert not list(things.stream())
    assert not list(below.stream())


def test_a_collection_may_name_its_documents(things: Any) -> None:
    _, document = things.add({"x": 1})
    assert document.get().get("x") == 1


def test_times_of_creation_and_update(document: Any) -> None:
    written = document.set({"a": 1})
    first = document.get()
    assert first.update_time == written.update_time
    document.update({"a": 2})
    second = document.get()
    assert second.create_time == first.create_time
    assert first.update_time < second.update_time < second.read_time
    document.set({"a": 2})
    assert document.get().update_time == second.update_time, "nothing changed"


def test_a_bulk_writer_writes_all(client: Any, things: Any) -> None:
    writer = client.bulk_writer()
    for n in range(60):
        writer.set(things.document(f"d{n}"), {"n": n})
    writer.flush()
    writer.close()
    assert len(list(things.stream())) == 60


def test_odd_names_and_large_documents(things: Any) -> None:
    odd = things.document("15550100@s.whatsapp.net:7")
    odd.set({"é": "ü", "a.b": 1})
    assert odd.get().to_dict() == {"é": "ü", "a.b": 1}
    things.document("large").set({"b": b"x" * 900_000})
    assert len(things.document("large").get().get("b")) == 900_000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x", {"b": b"x" * 1_048_576}),
        ("x" * 1501, {}),
        ("__x__", {}),
        ("..", {}),
        ("x", {"__a__": 1}),
        ("x", {"m": {"l": [1, [2]]}}),
        ("x", {"b": "ü" * 300_000, "c": "ü" * 300_000}),
        ("x", {"m": nested(21)}),
        ("x", {"m": {"f" * 1501: 1}}),
        ("x", {"m": {"f" * 800: {"f" * 800: 1}}}),
        ("x", {"l": list(range(40_000))}),
        ("/".join(["x" * 1400] * 5), {}),
        ("/".join(["x"] * 201), {}),
    ],
)
def test_what_firestore_refuses(things: Any, name: str, data: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        things.document(name).set(data)
    assert not list(things.stream())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x", {"b": b"x" * 1_048_000}),
        ("x", {"m": nested(20)}),
        ("x", {"m": {"f" * 700: {"f" * 700: 1}}}),
        ("x", {"l": list(range(39_000))}),
        ("/".join(["x" * 1400] * 3), {}),
        ("/".join(["x"] * 199), {}),
    ],
)
def test_what_firestore_takes_just_so(things: Any, name: str, data: dict[str, Any]) -> None:
    things.document(name).set(data)
    assert things.document(name).get().to_dict() == data


def test_a_value_has_a_bound_of_its_own(client: Any) -> None:
    """It is met where the names are so short that the document would be within its bound."""
    short = client.collection("c").document("x")
    with pytest.raises(exceptions.InvalidArgument):
        short.set({"b": b"x" * (1_048_487 + 1)})
    short.set({"b": b"x" * 1_048_487})
    short.delete()


def test_a_commit_has_at_most_ten_mebibytes(client: Any, things: Any) -> None:
    def commit(documents: int) -> None:
        batch = client.batch()
        for n in range(documents):
            batch.set(things.document(f"d{n}"), {"b": b"x" * 1_000_000})
        batch.commit(retry=None, timeout=30)

    with pytest.raises(exceptions.InvalidArgument):
        commit(11)
    assert not list(things.stream())
    commit(10)
    assert len(list(things.select([]).stream())) == 10


def test_a_document_is_transformed_five_hundred_times_a_commit(client: Any, things: Any) -> None:
    def commit(fields: int) -> None:
        batch = client.batch()
        batch.set(things.document("x"), {f"f{n}": google.Increment(1) for n in range(fields)})
        batch.commit(retry=None, timeout=30)

    with pytest.raises(exceptions.InvalidArgument):
        commit(501)
    commit(500)
    assert len(things.document("x").get().to_dict()) == 500


def test_databases_know_nothing_of_one_another(things: Any, connect: Callable[..., Any]) -> None:
    things.document("a").set({"x": 1})
    other = connect(database="other")
    assert not other.collection(things.id).document("a").get().exists


def test_what_was_acknowledged_survives_a_kill(server: Firestore, things: Any) -> None:
    things.document("a").set(VALUES)
    before = things.document("a").get()
    server.kill()
    server.start()
    after = things.document("a").get()
    assert after.to_dict() == VALUES
    assert after.update_time == before.update_time


def test_a_kill_in_the_middle_of_a_commit_leaves_nothing_of_it(
    server: Firestore, client: Any, things: Any
) -> None:
    server.strike("killed")
    batch = client.batch()
    for n in range(10):
        batch.set(things.document(f"d{n}"), {"n": n})
    with pytest.raises(exceptions.GoogleAPIError):
        batch.commit(retry=None, timeout=5)
    assert server.wait() == -9
    server.start()
    assert not list(things.stream())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unavailable", exceptions.ServiceUnavailable),
        ("exhausted", exceptions.ResourceExhausted),
        ("aborted", exceptions.Aborted),
        ("lost", exceptions.ServiceUnavailable),
        ("frozen", exceptions.DeadlineExceeded),
    ],
)
def test_faults_strike_as_often_as_asked(
    server: Firestore, things: Any, kind: str, error: type[Exception]
) -> None:
    name = uuid.uuid4().hex
    server.strike(kind, methods=["Commit"], times=1)
    with pytest.raises(error):
        things.document(name).set({}, retry=None, timeout=0.5 if kind == "frozen" else 20)
    assert server.heal() == 1
    if kind != "frozen":  # what stood still may be done after all, though its client gave up
        assert things.document(name).get().exists is (kind == "lost")
    things.document(name).set({})


def test_a_slow_answer_comes(server: Firestore, things: Any) -> None:
    server.strike("slow", methods=["Commit"], seconds=0.3, times=1)
    began = time.monotonic()
    things.document("a").set({})
    assert time.monotonic() - began >= 0.3
    assert server.heal() == 1


def test_documents_are_counted_as_they_are_billed(
    server: Firestore, client: Any, things: Any
) -> None:
    server.counts(reset=True)
    batch = client.batch()
    for n in range(5):
        batch.set(things.document(f"d{n}"), {"n": n})
    batch.commit()
    things.document("d0").delete()
    list(things.stream())
    counts = server.counts()
    assert (counts["writes"], counts["deletes"], counts["reads"]) == (5, 1, 4)


def test_a_document_with_a_mark_is_refused_while_that_lasts(server: Firestore, things: Any) -> None:
    server.strike("refused", mark="unstorable")
    name = uuid.uuid4().hex
    things.document(name).set({"text": "other"})
    with pytest.raises(exceptions.InvalidArgument):
        things.document(name).set({"text": "is unstorable now"}, retry=None)
    assert things.document(name).get().to_dict() == {"text": "other"}
    assert server.heal() == 1
    things.document(name).set({"text": "is unstorable now"})
