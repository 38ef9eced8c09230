"""The offline queue: what removes a stanza, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.delivery.offline_queue import OfflineQueue, receipt_ids
from simulator.store import Store
from simulator.wire.protocol_library import JID, Node, encode, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICE = ("15550100001", 1)
FRIEND = JID("15550100002")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "simulator.db")
    yield store
    store.close()


@pytest.fixture
def queue(store: Store) -> OfflineQueue:
    return OfflineQueue(store)


def message(message_id: str, content: bytes = b"sealed", count: int = 0) -> Any:
    enc = Node("enc", {"count": count} if count else {}, content)
    return Node("message", {"from": FRIEND, "id": message_id}, [enc])


def put(queue: OfflineQueue, stanza: Any) -> int:
    return queue.put(DEVICE, stanza, encode(stanza))


def answered(queue: OfflineQueue, answer: Any) -> list[int]:
    if answer.tag == "ack":
        return queue.acknowledge(DEVICE, answer)
    return queue.receive(DEVICE, text_of(answer, "type"), text_of(answer, "id"))


def ids(queue: OfflineQueue) -> list[str]:
    return [str(one.stanza.attrs["id"]) for one in queue.waiting(DEVICE)]


def test_keeps_the_order_across_a_restart(queue: OfflineQueue, store: Store) -> None:
    for number in range(5):
        put(queue, message(f"M{number}"))
    assert ids(queue) == [f"M{number}" for number in range(5)]
    assert ids(OfflineQueue(store)) == ids(queue)
    assert queue.waiting(("15550100001", 2)) == []


@pytest.mark.parametrize(
    ("answer", "removed"),
    [
        pytest.param({"tag": "receipt"}, True, id="delivered"),
        pytest.param({"tag": "receipt", "type": "inactive"}, True, id="delivered, not online"),
        pytest.param({"tag": "receipt", "type": "sender"}, True, id="own message"),
        pytest.param({"tag": "receipt", "type": "peer_msg"}, True, id="peer message"),
        pytest.param({"tag": "receipt", "type": "retry"}, False, id="asks for it anew"),
        pytest.param({"tag": "receipt", "type": "read"}, False, id="read is a person's"),
        pytest.param({"tag": "receipt", "type": "server-error"}, False, id="about media"),
        pytest.param({"tag": "receipt", "id": "OTHER"}, False, id="another message"),
        pytest.param({"tag": "ack", "class": "message"}, True, id="ack"),
        pytest.param({"tag": "ack", "class": "message", "type": "text"}, True, id="ack, typed"),
        pytest.param({"tag": "ack", "class": "message", "error": 487}, True, id="refused for good"),
        pytest.param({"tag": "ack", "class": "receipt"}, False, id="ack of a receipt"),
    ],
)
def test_what_acknowledges_a_message(
    queue: OfflineQueue, answer: dict[str, Any], removed: bool
) -> None:
    put(queue, message("M1"))
    seq = queue.waiting(DEVICE)[0].seq
    stanza = Node(answer.pop("tag"), {"id": "M1", "to": FRIEND, **answer})
    assert answered(queue, stanza) == ([seq] if removed else [])
    assert ids(queue) == ([] if removed else ["M1"])


def test_a_receipt_for_many() -> None:
    items = [Node("item", {"id": f"M{number}"}) for number in (1, 2)]
    assert receipt_ids(Node("receipt", {"id": "M0"}, [Node("list", {}, items)])) == [
        "M0",
        "M1",
        "M2",
    ]


def test_receipts_of_one_message_are_acknowledged_each_for_itself(queue: OfflineQueue) -> None:
    put(queue, Node("receipt", {"from": FRIEND, "id": "M1"}))
    put(queue, Node("receipt", {"from": FRIEND, "id": "M1", "type": "read"}))
    assert queue.counts(DEVICE) == {"receipt": 2}
    queue.acknowledge(DEVICE, Node("ack", {"class": "receipt", "id": "M1", "type": "read"}))
    assert [one.stanza.attrs.get("type") for one in queue.waiting(DEVICE)] == [None]
    queue.acknowledge(DEVICE, Node("ack", {"class": "receipt", "id": "M1"}))
    assert queue.counts(DEVICE) == {}


def test_an_ack_of_the_first_request_leaves_the_second(queue: OfflineQueue) -> None:
    """An ack names no count, and may come when the device asked for the message again already."""

    def asks(count: int) -> Any:
        attrs = {"from": FRIEND, "id": "M1", "type": "retry"}
        return Node("receipt", attrs, [Node("retry", {"count": count, "id": "M1"})])

    first, second = (put(queue, asks(count)) for count in (1, 2))
    assert put(queue, asks(2)) == second
    ack = Node("ack", {"class": "receipt", "id": "M1", "type": "retry", "to": FRIEND})
    assert [queue.acknowledge(DEVICE, ack) for _ in range(3)] == [[first], [second], []]


def test_the_same_message_anew_keeps_its_place(queue: OfflineQueue) -> None:
    first = put(queue, message("M1", b"old"))
    put(queue, message("M2"))
    assert put(queue, message("M1", b"new")) == first
    assert ids(queue) == ["M1", "M2"]
    assert queue.waiting(DEVICE)[0].stanza.get_child("enc").content == b"new"
    assert queue.holds(first)
    queue.acknowledge(DEVICE, Node("ack", {"class": "message", "id": "M1"}))
    assert not queue.holds(first)


ACK = Node("ack", {"class": "message", "id": "M1", "to": FRIEND})


@pytest.mark.parametrize("first", ["retry", "ack"])
def test_an_ack_of_the_old_ciphertext_leaves_the_new_one(queue: OfflineQueue, first: str) -> None:
    """A client sends both, in either order; the resend is queued as the request comes."""
    put(queue, message("M1", b"old"))
    if first == "ack":
        assert len(queue.acknowledge(DEVICE, ACK)) == 1
    queue.note_retry(DEVICE, "M1", 1)
    new = put(queue, message("M1", b"new", count=1))
    if first == "retry":
        assert queue.acknowledge(DEVICE, ACK) != [new]
    (left,) = queue.waiting(DEVICE)
    assert (left.seq, left.stanza.get_child("enc").content) == (new, b"new")
    assert queue.acknowledge(DEVICE, ACK) == [new]
    assert queue.waiting(DEVICE) == []


def test_each_ack_removes_what_was_asked_for_one_by_one(queue: OfflineQueue) -> None:
    places = [put(queue, message("M1", count=count)) for count in range(3)]
    for count in (1, 2):
        queue.note_retry(DEVICE, "M1", count)
    assert queue.counts(DEVICE) == {"message": 3}
    assert [queue.acknowledge(DEVICE, ACK) for _ in places] == [[one] for one in places]


def test_a_receipt_removes_the_resends_as_well(queue: OfflineQueue) -> None:
    places = [put(queue, message("M1", count=count)) for count in range(3)]
    queue.note_retry(DEVICE, "M1", 1)
    assert queue.receive(DEVICE, "inactive", "M1") == places


def test_the_same_request_twice_leaves_the_resend(queue: OfflineQueue) -> None:
    """A message that came twice is asked for twice; its resend was not."""
    old = put(queue, message("M1"))
    queue.note_retry(DEVICE, "M1", 1)
    resend = put(queue, message("M1", count=1))
    queue.note_retry(DEVICE, "M1", 1)
    assert queue.acknowledge(DEVICE, ACK) == [old]
    assert len(queue.waiting(DEVICE)) == 1
    later = put(queue, message("M1", count=2))
    assert queue.acknowledge(DEVICE, ACK) == [resend, later], "none of these was asked for anew"
