"""Documents as the state store has them, of which events are written: one of each kind."""

from __future__ import annotations

from typing import Any

from actors.health.alerts import Alert
from actors.state.messages.received import incoming

ANA = "15550100002@s.whatsapp.net"
MESSAGE = incoming(
    "shop",
    {"key": 1, "chat": ANA, "sender": ANA, "message_id": "A", "at": 5, "type": "text", "text": "x"},
    6.0,
)
SENT = {
    "id": "shop.3EB0",
    "message_id": "3EB0",
    "connection": "shop",
    "chat": ANA,
    "direction": "out",
    "type": "text",
    "text": "psst",
    "status": "read",
    "attempts": 1,
    "error": None,
    "uncertain": False,
}
STATE = {
    "id": "shop",
    "state": "open",
    "cause": None,
    "epoch": 1,
    "since": 5.0,
    "account": None,
    "retry_at": None,
}
PAIRING = {"id": "shop", "kind": "qr", "number": 3, "epoch": 1, "expires_at": 25.0}
LIMIT = {"id": "shop--K7Q2M9XA4TBC", "until": 25.0, "reason": "time_lock", "at": 5.0}
CALL = {
    "id": "CALL1",
    "connection": "shop--K7Q2M9XA4TBC",
    "caller": ANA,
    "state": "offered",
    "at": 5,
    "video": True,
    "group": None,
}
MUTED: dict[str, Any] = {
    "connection": "shop--K7Q2M9XA4TBC",
    "chat": ANA,
    "at": 5.0,
    "settings": {"mute": {"value": {"until": 25.0}, "at": 5.0}},
}
PICTURE: dict[str, Any] = {
    "connection": "shop",
    "address": ANA,
    "at": 5.0,
    "picture": {"id": "1893456000", "sender_name": "Ana Pereira", "sender_lid": None},
}
CONTACT: dict[str, Any] = {
    "connection": "shop--K7Q2M9XA4TBC",
    "address": ANA,
    "at": 5.0,
    "settings": {"name": {"value": {"full_name": "Ana Pereira", "first_name": "Ana"}, "at": 5.0}},
}
RENAMED: dict[str, Any] = {
    "connection": "shop--K7Q2M9XA4TBC",
    "chat": ANA,
    "former": "200000000000001@lid",
    "at": 5.0,
}
GROUP = "120363000000000001@g.us"
BY: dict[str, Any] = {"address": ANA, "sender_name": "Ana Pereira", "sender_lid": None}
RENAMED_GROUP: dict[str, Any] = {
    "connection": "shop--K7Q2M9XA4TBC",
    "chat": GROUP,
    "at": 5.0,
    "setting": "subject",
    "value": "Chess club",
    "by": BY,
}
ADDED: dict[str, Any] = {
    "connection": "shop--K7Q2M9XA4TBC",
    "chat": GROUP,
    "at": 5.0,
    "setting": "members",
    "id": "A",
    "change": "added",
    "by": None,
    "people": [BY, {"address": "90000000000002@lid", "sender_name": None, "sender_lid": None}],
}
FILE: dict[str, Any] = {
    "id": "shop--K7Q2M9XA4TBC.in.a",
    "message_id": "A",
    "connection": "shop--K7Q2M9XA4TBC",
    "chat": ANA,
    "sender": ANA,
    "sender_name": "Ana Pereira",
    "direction": "in",
    "type": "image",
    "content": {"file": {"sha256": "ab" * 32, "size": 5, "mime": "image/png"}},
    "media": {"state": "stored", "error": None},
}
ALERT = {**Alert("x", None, "warning", "A sentence.", 5.0).write.data, "id": "x.5000"}
