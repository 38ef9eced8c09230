"""A foreign client in a process of its own: neonize (whatsmeow, Go) against any server.

Started as a program with a JSON object on its command line: `database` (its session file),
`ws_url` and `root_key` of the server. It prints one JSON object per event and takes one JSON
object per command on standard input. Nothing of it is changed on disk: the server's address and
root key are overwritten in the memory of this process, where the library is mapped.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

_URL: Final = b"wss://web.whatsapp.com/ws/chat"
_ROOT: Final = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
_READ_WRITE: Final = 3
_READ_WRITE_EXECUTE: Final = 7
_print_lock = threading.Lock()
# The library prints on standard output as it likes: events keep the original for themselves.
_events = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def emit(event: str, **values: Any) -> None:
    """Prints an event. Callbacks come from several threads."""
    with _print_lock:
        _events.write(json.dumps({"event": event, **values}) + "\n")
        _events.flush()


def url_of_same_length(ws_url: str) -> bytes:
    """The address with slashes added until it is as long as the one that it replaces.

    Raises ValueError when it is longer.
    """
    url = ws_url.encode()
    if len(url) > len(_URL):
        raise ValueError("the server's address is too long for this client")
    return url.ljust(len(_URL), b"/")


def overwrite(replacements: dict[bytes, bytes]) -> None:
    """Overwrites constants of the loaded library, each of which occurs exactly once.

    Raises RuntimeError when one does not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    page = 4096
    found = dict.fromkeys(replacements, 0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if len(fields) < 6 or "neonize" not in fields[5] or "r" not in fields[1]:
            continue
        start, end = (int(part, 16) for part in fields[0].split("-"))
        memory = ctypes.string_at(start, end - start)
        for old, new in replacements.items():
            at = memory.find(old)
            while at >= 0:
                address = start + at
                first = address // page * page
                size = address + len(old) - first
                protection = _READ_WRITE_EXECUTE if "x" in fields[1] else _READ_WRITE
                if libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(size), protection):
                    raise OSError(ctypes.get_errno(), "mprotect")
                ctypes.memmove(address, new, len(new))
                found[old] += 1
                at = memory.find(old, at + len(old))
    if any(count != 1 for count in found.values()):
        raise RuntimeError("the library is another one than this patch was made for")


def main() -> None:
    """Connects, reports events, and sends what it is told to, until standard input closes."""
    options = json.loads(sys.argv[1])
    from neonize.client import NewClient
    from neonize.events import (
        ConnectedEv,
        DisconnectedEv,
        LoggedOutEv,
        MessageEv,
        PairStatusEv,
        ReceiptEv,
        StreamReplacedEv,
        UndecryptableMessageEv,
    )
    from neonize.utils import build_jid

    overwrite(
        {
            _URL: url_of_same_length(options["ws_url"]),
            _ROOT: bytes.fromhex(options["root_key"]),
        }
    )
    client = NewClient(options["database"])
    client.event.qr(lambda _, data: emit("qr", qr=data.decode()))

    def on(kind: Any, name: str) -> None:
        client.event(kind)(lambda _, __: emit(name))

    for kind, name in (
        (ConnectedEv, "connected"),
        (DisconnectedEv, "disconnected"),
        (LoggedOutEv, "logged_out"),
        (StreamReplacedEv, "replaced"),
        (PairStatusEv, "paired"),
        (UndecryptableMessageEv, "undecryptable"),
    ):
        on(kind, name)

    def on_message(_: Any, message: Any) -> None:
        content = message.Message
        text = content.conversation or content.extendedTextMessage.text
        source = message.Info.MessageSource
        emit(
            "message",
            id=message.Info.ID,
            text=text,
            sender=source.Sender.User,
            sender_alt=source.SenderAlt.User,
            from_me=source.IsFromMe,
        )

    def on_receipt(_: Any, receipt: Any) -> None:
        emit("receipt", ids=list(receipt.MessageIDs), type=str(receipt.Type))

    client.event(MessageEv)(on_message)
    client.event(ReceiptEv)(on_receipt)

    def obey() -> None:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                if command["do"] == "send":
                    sent = client.send_message(build_jid(command["to"]), command["text"])
                    emit("sent", id=sent.ID, text=command["text"])
                elif command["do"] == "check":
                    found = client.is_on_whatsapp(command["number"])
                    emit("checked", registered=[one.IsIn for one in found])
            except Exception as error:  # noqa: BLE001 - the parent is told whatever failed
                emit("failed", do=command["do"], error=str(error))
        client.stop()

    threading.Thread(target=obey, daemon=True).start()
    client.connect()


if __name__ == "__main__":
    main()
