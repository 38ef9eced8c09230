"""Another server than WhatsApp's: its address and root key, in the memory of this process alone.

whatsmeow has both as constants, and neonize no setting for them. Used only where the settings name
another server: a simulator. Nothing is changed on disk.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.connection.engine import EngineUnfit

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.neonize.library import Library

WHATSAPP_URL: Final = b"wss://web.whatsapp.com/ws/chat"
WHATSAPP_ROOT_KEY: Final = bytes.fromhex(
    "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
)

_PAGE: Final = 4096
_READ_WRITE, _READ_WRITE_EXECUTE = 3, 7

_pointed: list[tuple[str, str]] = []


def point(library: Library, settings: Settings) -> None:
    """Let the library take the settings' server for WhatsApp's. Raises `EngineUnfit`.

    A process does so once: it serves one connection, and all of an instance have one server.
    """
    wanted = (settings.whatsapp_url, settings.whatsapp_root_key)
    if _pointed:
        if _pointed != [wanted]:
            raise EngineUnfit("server_is_fixed")
        return
    url = wanted[0].encode()
    if url == WHATSAPP_URL and bytes.fromhex(wanted[1]) == WHATSAPP_ROOT_KEY:
        return
    if len(url) > len(WHATSAPP_URL):
        raise EngineUnfit("server_address_too_long")
    # It has to be as long as the one that it replaces; servers take more slashes.
    _overwrite(
        library.path,
        {
            WHATSAPP_URL: url.ljust(len(WHATSAPP_URL), b"/"),
            WHATSAPP_ROOT_KEY: bytes.fromhex(wanted[1]),
        },
    )
    _pointed.append(wanted)


def _overwrite(path: Path, replacements: dict[bytes, bytes]) -> None:
    """Overwrite constants of a loaded library; each has to be there exactly once."""
    places: dict[bytes, list[tuple[int, bool]]] = {old: [] for old in replacements}
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or fields[5] != str(path.resolve()) or "r" not in fields[1]:
            continue
        start, end = (int(part, 16) for part in fields[0].split("-"))
        memory = ctypes.string_at(start, end - start)
        for old, found in places.items():
            at = memory.find(old)
            while at >= 0:
                found.append((start + at, "x" in fields[1]))
                at = memory.find(old, at + len(old))
    if any(len(found) != 1 for found in places.values()):
        raise EngineUnfit("unknown_library")
    for old, [(address, executable)] in places.items():
        _write(address, replacements[old], executable=executable)


def _write(address: int, data: bytes, *, executable: bool) -> None:
    first = address // _PAGE * _PAGE
    protection = _READ_WRITE_EXECUTE if executable else _READ_WRITE
    size = ctypes.c_size_t(address + len(data) - first)
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(first), size, protection):
        raise EngineUnfit("memory_is_protected")
    ctypes.memmove(address, data, len(data))
