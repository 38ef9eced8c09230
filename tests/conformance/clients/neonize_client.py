"""neonize (whatsmeow, Go) as a client program; its words are those of `child.py`."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.conformance.clients import child, neonize_groups, neonize_kinds, neonize_settings
else:
    import child  # by its place beside this program: `tests` is not a name to rely on
    import neonize_groups
    import neonize_kinds
    import neonize_settings

# neonize's numbers for what whatsmeow calls "" and "read"
_RECEIPTS: Final = {"1": "delivered", "4": "read"}


# what came and what was sent, by id
_seen: Final[dict[str, Any]] = {}
# who calls, by the call's id
_calls: Final[dict[str, Any]] = {}


def named(jid: Any) -> str:
    return f"{jid.User}@{jid.Server}"


def register_events(client: Any) -> None:
    """Prints the library's events in the words that all clients use."""
    from neonize.events import (
        CallOfferEv,
        CallTerminateEv,
        ChatPresenceEv,
        ConnectedEv,
        DisconnectedEv,
        HistorySyncEv,
        LoggedOutEv,
        MessageEv,
        PairStatusEv,
        PresenceEv,
        ReceiptEv,
        RotateADVSecretEv,
        StreamReplacedEv,
        UndecryptableMessageEv,
    )

    shown: list[str] = []

    def on_qr(_: Any, data: bytes) -> None:
        shown.append(data.decode())
        child.emit("qr", qr=shown[-1])

    def on_secret(_: Any, rotated: Any) -> None:
        # whatsmeow leaves it to its caller to show the QR anew
        on_qr(_, shown[-1].replace(rotated.OldSecret, rotated.NewSecret).encode())

    client.event.qr(on_qr)
    client.event(RotateADVSecretEv)(on_secret)

    def on(kind: Any, name: str) -> None:
        client.event(kind)(lambda _, __: child.emit(name))

    for kind, name in (
        (ConnectedEv, "connected"),
        (DisconnectedEv, "disconnected"),
        (LoggedOutEv, "logged_out"),
        (StreamReplacedEv, "replaced"),
        (PairStatusEv, "paired"),
    ):
        on(kind, name)

    def on_message(_: Any, message: Any) -> None:
        if child.held.is_set():
            threading.Event().wait()
        if neonize_kinds.hands_over_a_key(message.Message):
            return  # whatsmeow makes a message of that, too
        _seen[message.Info.ID] = message
        source = message.Info.MessageSource
        by_number = source.Sender.Server == "s.whatsapp.net" or not source.SenderAlt.User
        child.emit(
            "message",
            id=message.Info.ID,
            **{"text": "", **neonize_kinds.described(client, message)},
            chat=named(source.Chat),
            sender=source.Sender.User if by_number else source.SenderAlt.User,
            from_me=source.IsFromMe,
        )

    def on_receipt(_: Any, receipt: Any) -> None:
        kind = str(receipt.Type)
        child.emit("receipt", ids=list(receipt.MessageIDs), type=_RECEIPTS.get(kind, kind))

    client.event(HistorySyncEv)(
        lambda _, event: child.emit("history", **neonize_kinds.history(event.Data))
    )
    client.event(PresenceEv)(
        lambda _, event: child.emit(
            "presence", who=named(event.From), available=not event.Unavailable
        )
    )
    client.event(ChatPresenceEv)(
        lambda _, event: child.emit(
            "typing",
            chat=named(event.MessageSource.Chat),
            state=neonize_kinds.typing_state(event),
        )
    )

    def on_call(_: Any, offer: Any) -> None:
        meta = offer.basicCallMeta
        _calls[meta.callID] = getattr(meta, "from")
        child.emit("call", id=meta.callID)

    client.event(CallOfferEv)(on_call)
    client.event(CallTerminateEv)(
        lambda _, event: child.emit("call_ended", id=event.basicCallMeta.callID, why=event.reason)
    )
    client.event(MessageEv)(on_message)
    client.event(ReceiptEv)(on_receipt)
    client.event(UndecryptableMessageEv)(
        lambda _, event: child.emit("undecryptable", id=event.Info.ID)
    )


def register_changes(client: Any) -> None:
    """Prints the library's events about groups, pictures and the block list."""
    from neonize.events import BlocklistEv, GroupInfoEv, JoinedGroupEv, PictureEv

    client.event(JoinedGroupEv)(
        lambda _, event: child.emit("joined", group=named(event.GroupInfo.JID))
    )

    def on_group(_: Any, event: Any) -> None:
        group = named(event.JID)
        child.emit("members", group=group, joined=len(event.Join), left=len(event.Leave))
        child.emit("changed", group=group, **neonize_groups.changes(event))

    client.event(GroupInfoEv)(on_group)
    client.event(PictureEv)(lambda _, event: child.emit("picture", who=named(event.JID)))
    client.event(BlocklistEv)(lambda _, event: child.emit("blocklist", changes=len(event.Changes)))


def look_up(client: Any, command: dict[str, Any]) -> None:
    """Asks the server for a group, for all groups of the account, or whether a number is registered."""
    if command["do"] == "group":
        group = client.get_group_info(neonize_kinds.address(command["group"]))
        child.emit(
            "group",
            group=command["group"],
            subject=group.GroupName.Name,
            members=sorted(one.PhoneNumber.User for one in group.Participants),
        )
    elif command["do"] == "groups":
        child.emit("groups", groups=[named(one.JID) for one in client.get_joined_groups()])
    else:
        found = client.is_on_whatsapp(command["number"])
        chats = [f"{one.JID.User}@{one.JID.Server}" for one in found]
        child.emit("checked", registered=[one.IsIn for one in found], chats=chats)


def obey(client: Any, command: dict[str, Any]) -> None:
    """Does what a command says."""
    if command["do"] in ("send", "say"):
        plain = command["do"] == "send"
        said = command["text"] if plain else neonize_kinds.message(client, command, _seen)
        sent = client.send_message(neonize_kinds.address(command["to"]), said)
        child.emit("sent", id=sent.ID, text=command.get("text", ""))
    elif command["do"] == "download":
        found = neonize_kinds.downloaded(client, _seen[command["id"]])
        child.emit("downloaded", id=command["id"], **found)
    elif command["do"] == "link":
        code = client.PairPhone(command["number"], show_push_notification=True)
        child.emit("link_code", code=code)
    elif command["do"] in ("online", "subscribe", "type", "read", "timer"):
        neonize_kinds.show(client, command, _seen)
    elif command["do"] in ("settings", "set"):
        child.emit(command["do"], **neonize_settings.obey(client, command))
    elif command["do"] in ("group", "groups", "check"):
        look_up(client, command)
    elif command["do"] == "manage":
        child.emit("managed", **neonize_groups.manage(client, command))
    elif command["do"] == "hold":
        child.held.set()
        child.emit("held")
    else:
        ask(client, command)


def ask(client: Any, command: dict[str, Any]) -> None:
    """Does what a command says of other people: declines their calls, looks for them."""
    if command["do"] == "reject":
        client.reject_call(_calls[command["id"]], command["id"])


def main() -> None:
    """Connects, reports events, and executes commands, until standard input closes."""
    asked = child.options()
    from neonize.client import NewClient

    child.point_to("neonize", asked["ws_url"], asked["root_key"])
    session = Path(asked["directory"]) / "session.db"
    client = NewClient(str(session))
    register_events(client)
    register_changes(client)

    def listen() -> None:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                obey(client, command)
            except Exception as error:  # noqa: BLE001 - the parent gets each failure
                child.emit("failed", do=command["do"], error=str(error))
        client.stop()

    threading.Thread(target=listen, daemon=True).start()
    client.connect()


if __name__ == "__main__":
    main()
