from __future__ import annotations

from actors.connection.protocol.wire_format.nodes import Node

STANZA = Node(
    "message",
    {"id": "3EB0AABB", "to": "15550100002@s.whatsapp.net", "type": "text"},
    (
        Node("participants", {}, (Node("to", {"jid": "15550100002:3@s.whatsapp.net"}),)),
        Node("enc", {"v": "2", "type": "msg"}, bytes(range(256)) * 5),
    ),
)


def test_children_and_data() -> None:
    assert STANZA.child("enc") is STANZA.children()[1]
    assert STANZA.child("nothing") is None
    assert STANZA.bytes_of("enc") == bytes(range(256)) * 5
    assert STANZA.bytes_of("participants") == b""
    assert Node("x", {}, b"data").children() == []
