"""neonize's Go library: whatsmeow, behind C functions, and the classes of what it tells.

Only the library and its event classes are loaded. neonize's own package would fetch a library that
is missing from the network, bring along image, phone and web libraries, and print what Go says.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Final

from actors.connection.engine import EngineNotInstalled

PACKAGE: Final = "neonize"

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2

_CHARS, _VOID, _INT = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int

TEXT_CALLBACK: Final = ctypes.CFUNCTYPE(None, _VOID, _VOID)
EVENT_CALLBACK: Final = ctypes.CFUNCTYPE(None, _VOID, _VOID, _INT, _INT)
LOG_CALLBACK: Final = ctypes.CFUNCTYPE(None, _VOID, _INT)


class _Bytes(ctypes.Structure):
    _fields_ = (("data", _VOID), ("size", ctypes.c_size_t))


class Proxy(ctypes.Structure):
    """The proxy that a socket is opened through, and the hosts that it is not used for."""

    _fields_ = (
        ("address", _CHARS),
        ("no_websocket", ctypes.c_bool),
        ("only_login", ctypes.c_bool),
        ("no_media", ctypes.c_bool),
    )


_START = (
    *(_CHARS, _CHARS, _CHARS, _INT, _INT, _CHARS),
    *(TEXT_CALLBACK, TEXT_CALLBACK, EVENT_CALLBACK, LOG_CALLBACK),
    *(_CHARS, _INT, _CHARS, _INT, _CHARS, _INT, ctypes.POINTER(Proxy)),
)
_TEXTS: Final[dict[str, tuple[Any, ...]]] = {
    "Neonize": _START,
    "Logout": (_CHARS,),
    "MarkRead": (_CHARS, _CHARS, _INT, _CHARS, _INT, _CHARS, _INT, _CHARS),
    "SendChatPresence": (_CHARS, _CHARS, _INT, _INT, _INT),
    "SendPresence": (_CHARS, _CHARS),
    "SetForceActiveDeliveryReceipts": (_CHARS, ctypes.c_bool),
    "SetProxyAddress": (_CHARS, ctypes.POINTER(Proxy)),
}
_ANSWERS: Final[dict[str, tuple[Any, ...]]] = {
    "GetBlocklist": (_CHARS,),
    "IsOnWhatsApp": (_CHARS, _CHARS),
    "PairPhone": (_CHARS, _CHARS, _INT),
    "SendMessage": (_CHARS, _CHARS, _INT, _CHARS, _INT),
}
_ORDERS: Final[dict[str, tuple[Any, ...]]] = {"Disconnect": (_CHARS,), "Stop": (_CHARS,)}

_loading = Lock()
_loaded: list[Library] = []


class Library:
    """The functions that the engine calls; `events` has the classes of what they tell.

    A function that ends with a text returns it, one that answers returns the serialized answer;
    what Go allocated for it is freed. Each blocks until Go is done.
    """

    def __init__(self, path: Path, events: Any) -> None:
        self.path = path
        self.events = events
        self._go = ctypes.CDLL(str(path))
        for name, arguments in _TEXTS.items():
            self._declare(name, arguments, _VOID)
        for name, arguments in _ANSWERS.items():
            self._declare(name, arguments, ctypes.POINTER(_Bytes))
        for name, arguments in _ORDERS.items():
            self._declare(name, arguments, None)
        self._declare("FreeString", (_VOID,), None)
        self._declare("FreeBytesStruct", (ctypes.POINTER(_Bytes),), None)

    def text(self, function: str, *arguments: Any) -> str:
        """Call a function that ends with a text: empty where all is well, else what is not."""
        pointer = getattr(self._go, function)(*arguments)
        if not pointer:
            return ""
        try:
            return ctypes.string_at(pointer).decode(errors="replace")
        finally:
            self._go.FreeString(pointer)

    def answer(self, function: str, *arguments: Any) -> bytes:
        """Call a function that answers with a message."""
        pointer = getattr(self._go, function)(*arguments)
        if not pointer:
            return b""
        try:
            found = pointer.contents
            return ctypes.string_at(found.data, found.size) if found.data else b""
        finally:
            self._go.FreeBytesStruct(pointer)

    def order(self, function: str, *arguments: Any) -> None:
        """Call a function that answers nothing."""
        getattr(self._go, function)(*arguments)

    def _declare(self, name: str, arguments: tuple[Any, ...], returns: Any) -> None:
        function = getattr(self._go, name)
        function.argtypes, function.restype = arguments, returns


def load() -> Library:
    """The library, loaded into this process once, which then has no output that Go could reach.

    Raises `EngineNotInstalled`.
    """
    with _loading:
        if not _loaded:
            directory = _directory()
            found = sorted(directory.glob(f"{PACKAGE}-*.so"))
            if not found:
                raise EngineNotInstalled("neonize")
            events = _events(directory)
            _take_output_away()
            _loaded.append(Library(found[0], events))
        return _loaded[0]


def _directory() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EngineNotInstalled("neonize")
    return Path(spec.submodule_search_locations[0])


def _events(directory: Path) -> Any:
    """The generated classes of neonize, without what its package does when it is imported."""
    if PACKAGE not in sys.modules:
        bare = ModuleType(PACKAGE)
        bare.__path__ = [str(directory)]
        bare.__spec__ = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
        sys.modules[PACKAGE] = bare
    return importlib.import_module(f"{PACKAGE}.proto.Neonize_pb2")


def _take_output_away() -> None:
    """Go prints errors that name whom a message was for: its standard output goes nowhere (G10).

    Python's own goes on to where it went.
    """
    for stream, descriptor in (("stdout", STANDARD_OUTPUT), ("stderr", STANDARD_ERROR)):
        before = getattr(sys, stream)
        if before is not None:
            before.flush()
        kept = os.fdopen(os.dup(descriptor), "w", buffering=1)
        setattr(sys, stream, kept)
    if faulthandler.is_enabled():
        faulthandler.enable(sys.stderr)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STANDARD_OUTPUT)
    os.dup2(nowhere, STANDARD_ERROR)
    os.close(nowhere)
