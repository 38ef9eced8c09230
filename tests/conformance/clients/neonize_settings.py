"""Settings of chats in whatsmeow's store, and the calls of neonize that change them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.conformance.clients import neonize_kinds
else:
    import neonize_kinds

# collection in neonize, its index, the version of its schema, and the action with its flag
_KINDS: Final = {
    "pin": ("REGULAR_LOW", "pin_v1", 5, "pinAction", "pinned"),
    "archive": ("REGULAR_LOW", "archive", 3, "archiveChatAction", "archived"),
    "mute": ("REGULAR_HIGH", "mute", 2, "muteAction", "muted"),
}


def obey(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Sets or shows settings of a chat, as a command says; returns what to report."""
    chat = command["chat"]
    if command["do"] == "settings":
        return described(client, chat)
    change(client, chat, command["what"], on=command["on"])
    return {"what": command["what"]}


def described(client: Any, number: str) -> dict[str, Any]:
    """The settings of the chat with a number, and the account's own name."""
    chat = neonize_kinds.address(number)
    settings, contact = (
        client.chat_settings.get_chat_settings(chat),
        client.contact.get_contact(chat),
    )
    return {
        "name": contact.FullName,
        "muted": settings.MutedUntil > time.time(),
        "pinned": settings.Pinned,
        "archived": settings.Archived,
        "own_name": client.get_me().PushName,
    }


def change(client: Any, number: str, kind: str, *, on: bool) -> None:
    """Sends a patch that pins, archives or mutes the chat with a number, or the reverse."""
    from neonize.proto.Neonize_pb2 import MutationInfo, PatchInfo
    from neonize.proto.waSyncAction.WAWebProtobufSyncAction_pb2 import SyncActionValue

    collection, index, version, action, flag = _KINDS[kind]
    value = SyncActionValue()
    setattr(getattr(value, action), flag, on)
    chat = f"{number}@s.whatsapp.net"
    mutation = MutationInfo(Index=[index, chat], Version=version, Value=value)
    client.send_app_state(
        PatchInfo(
            Timestamp=int(time.time() * 1000),
            Type=PatchInfo.WAPatchName.Value(collection),
            Mutations=[mutation],
        )
    )
