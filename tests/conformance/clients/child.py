"""Common part of the client programs: options in, events out, commands in.

A client program is started with a JSON object on its command line: `directory` (its session
files), `ws_url` and `root_key` of the server. It prints one JSON object per event, takes one JSON
object per command on standard input, and ends in order when that closes. All of them use the same
words:

* events `qr`, `paired`, `connected`, `disconnected`, `replaced`, `logged_out`, `message` (`id`,
  `text`, `sender`, `from_me`; `sender` is the phone number where the client knows it, else the
  LID), `undecryptable` (`id`), `receipt` (`ids`, `type`), `sent` (`id`, `text`), `failed`;
* a `message` of a client that knows more than texts also has `type`, `chat`, and what goes with its
  type: `target`, `reply_to`, `place`, `vcard`, `options`, `chosen` (the SHA-256 of each option that
  a vote chose), `mimetype` and `length`;
* its commands are `say` (`to`, `type`, and what goes with the type), answered by `sent`, and
  `download` (`id`), answered by `downloaded` (`id`, `sha256`, `length`);
* events `joined` (`group`) and `members` (`group`, how many `joined` and `left`); commands `group`
  (`group`), answered by `group` (`group`, `subject`, `members` by number), and `groups`, answered by
  `groups` (`groups`);
* events `history` (`type`, `conversations` with `chat`, `name` and `messages`, `names`), `presence`
  (`who`, `available`) and `typing` (`chat`, `state`); commands `online` (`online`), `subscribe`
  (`to`) and `type` (`to`, `state`), which are not answered;
* command `settings` (`chat`: a number), answered by `settings` (`name`, `muted`, `pinned`, `archived`, the
  account's `own_name`, of tryx `read` and `star` as well); command `set` (`chat`, `what`: `pin`, `archive` or `mute`, `on`), answered by
  `set`;
* command `link` (`number`), answered by `link_code` (`code`): what is to be typed on the phone, asked
  for once a `qr` was shown;
* commands `read` (`id`) and `timer` (`to`, `seconds`): the user has read a message, or sets after how long
  those of a chat disappear; not answered;
* command `manage` (`what` to do, of a `group` or without one, and what goes with it), answered by `managed` with what
  the library returned of the group (`subject`, `members`, `admins`), its `link`, a picture's `id` and `url`, or
  whom the account has `blocked`; events `changed` (`group`, `what`, `text`), `picture` and `about` (`who`), `blocklist`;
* command `hold`, answered by `held`: from now on the user is busy for ever with a message that it
  is given, as one whose own store hangs;
* commands `send` (`to`, `text`) and `check` (`number`), which answers `checked` (`registered`,
  and `chats`, the addresses that were found).

Nothing of a foreign client is changed on disk: the server's address and root key are overwritten
in the memory of its process, where the library is mapped. Only the standard library is used here,
because each client runs in the environment that it needs.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Final

WEB_URL: Final = b"wss://web.whatsapp.com/ws/chat"
WEB_ROOT_KEY: Final = bytes.fromhex(
    "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
)
_READ_WRITE: Final = 3
_READ_WRITE_EXECUTE: Final = 7
_PAGE: Final = 4096

held = threading.Event()
_print_lock = threading.Lock()
# The libraries print on standard output as they like: events keep the original for themselves.
_events = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def options() -> dict[str, str]:
    """Options of the test on the command line."""
    asked: dict[str, str] = json.loads(sys.argv[1])
    return asked


def emit(event: str, **values: Any) -> None:
    """Prints an event. Callbacks come from several threads."""
    with _print_lock:
        _events.write(json.dumps({"event": event, **values}) + "\n")
        _events.flush()


def of_same_length(url: str) -> bytes:
    """The address with slashes added until it is as long as the one that it replaces.

    Raises ValueError when it is longer.
    """
    address = url.encode()
    if len(address) > len(WEB_URL):
        raise ValueError("the server's address is too long for this client")
    return address.ljust(len(WEB_URL), b"/")


def point_to(library: str, ws_url: str, root_key: str) -> None:
    """Lets the loaded library (a word of its file's name) take another server for WhatsApp's.

    Raises RuntimeError when one of the two constants does not occur exactly once.
    """
    overwrite(library, {WEB_URL: of_same_length(ws_url), WEB_ROOT_KEY: bytes.fromhex(root_key)})


def overwrite(library: str, replacements: dict[bytes, bytes]) -> None:
    """Overwrites constants of a loaded library, each of which occurs exactly once.

    Raises RuntimeError when one does not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    found = dict.fromkeys(replacements, 0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if len(fields) < 6 or library not in Path(fields[5]).name or "r" not in fields[1]:
            continue
        start, end = (int(part, 16) for part in fields[0].split("-"))
        memory = ctypes.string_at(start, end - start)
        for old, new in replacements.items():
            at = memory.find(old)
            while at >= 0:
                address = start + at
                first = address // _PAGE * _PAGE
                size = address + len(old) - first
                protection = _READ_WRITE_EXECUTE if "x" in fields[1] else _READ_WRITE
                if libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(size), protection):
                    raise OSError(ctypes.get_errno(), "mprotect")
                ctypes.memmove(address, new, len(new))
                found[old] += 1
                at = memory.find(old, at + len(old))
    if any(count != 1 for count in found.values()):
        raise RuntimeError("the library is another one than this patch was made for")
