"""Downloads, decrypts and inflates the file of a history sync in memory, bounded at each step, and yields its parts.

The file comes from another device by way of servers, so nothing of it is believed: its size is bounded at
each step, its hashes are those that the phone named, and it is read in parts, each of them small.
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from actors.connection.protocol.media.cipher import (
    HASH_BYTES,
    HISTORY_FILE,
    MEDIA_KEY_BYTES,
    Corrupt,
    FileDecryptor,
)
from actors.connection.protocol.media.http_client import ServerUnreachable, patience
from actors.connection.protocol.media.media_fields import is_path
from actors.connection.protocol.media.media_servers import NoLink
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.wire_format.nodes import proto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.protocol.media.http_client import HttpClient
    from actors.connection.protocol.media.media_servers import MediaServers

MAX_HISTORY_BYTES: Final = 64 * 1024 * 1024
MAX_INFLATED: Final = 192 * 1024 * 1024
"""Bytes of one file, as it comes and once inflated: several times what phones send."""

_GONE: Final = frozenset({404, 410})


class UnusableHistory(Exception):
    """Nothing will come of it: it is gone from the servers, or not what the phone named."""


class Later(Exception):
    """It cannot be had now."""


async def bring(notification: Any, web: HttpClient, hosts: MediaServers) -> bytes:
    """The inflated history of a notification. Raises `UnusableHistory` or `Later`."""
    inline = notification.initialHistBootstrapInlinePayload
    if inline:
        return await asyncio.to_thread(inflate, [inline])
    whole = (
        len(notification.mediaKey) == MEDIA_KEY_BYTES
        and len(notification.fileSha256) == len(notification.fileEncSha256) == HASH_BYTES
        and is_path(notification.directPath)
    )
    if not whole:
        raise UnusableHistory("no file is named")
    try:
        connection = await hosts.get()
    except (ConnectionLost, NoLink, RequestFailed, RequestTimeout):
        raise Later("no servers") from None
    gone = 0
    for host in connection.hosts:
        try:
            return await _fetch(host, notification, web)
        except UnusableHistory:
            gone += 1
        except Later:
            hosts.avoid(host)
    if gone == len(connection.hosts):
        raise UnusableHistory("gone")
    raise Later("no media server has it")


async def _fetch(host: str, notification: Any, web: HttpClient) -> bytes:
    opening = FileDecryptor(
        HISTORY_FILE,
        notification.mediaKey,
        sha256=notification.fileSha256,
        sealed_sha256=notification.fileEncSha256,
    )
    parts, size = list[bytes](), 0
    try:
        async with (
            asyncio.timeout(patience(min(notification.fileLength, MAX_HISTORY_BYTES))),
            web.get(_url(host, notification)) as (status, chunks),
        ):
            if status in _GONE:
                raise UnusableHistory("gone")
            if status != 200:
                raise Later("refused")
            async for chunk in chunks:
                size += len(chunk)
                if size > MAX_HISTORY_BYTES:
                    raise UnusableHistory("too large")
                parts.append(await asyncio.to_thread(opening.feed, chunk))
            parts.append(await asyncio.to_thread(opening.finish))
    except (ServerUnreachable, TimeoutError):
        raise Later("unreachable") from None
    except Corrupt as error:
        if error.sealed_so:
            raise UnusableHistory("damaged") from None
        raise Later("damaged on the way") from None
    return await asyncio.to_thread(inflate, parts)


def inflate(parts: list[bytes]) -> bytes:
    """The inflated parts. Raises `UnusableHistory`, also where they are beyond the bound."""
    inflater = zlib.decompressobj()
    out = bytearray()
    try:
        for part in parts:
            out += inflater.decompress(part, MAX_INFLATED - len(out) + 1)
            if len(out) > MAX_INFLATED or inflater.unconsumed_tail:
                raise UnusableHistory("inflates beyond the bound")
    except zlib.error:
        raise UnusableHistory("not deflated") from None
    if not inflater.eof:
        raise UnusableHistory("ends early")
    return bytes(out)


def split(history: bytes) -> Iterator[tuple[str, bytes]]:
    """The parts of a history that are messages themselves, each by the name of its field.

    Raises `UnusableHistory`, once what is before was given. A whole history is never parsed at once: the
    process would stand still meanwhile.
    """
    view = memoryview(history)
    for field in _fields(view):
        name = _NAMES.get(field.number)
        if field.is_bytes and name is not None:
            yield name, bytes(view[field.value : field.end])


def without_messages(history: bytes, most: int) -> Iterator[bytes]:
    """All of a history but the messages, as histories of at most `most` bytes; a field that is larger is left out.

    Raises `UnusableHistory`, once what is before was given.
    """
    view, share = memoryview(history), bytearray()
    for field in _fields(view):
        part = bytes(view[field.start : field.end])
        if field.is_bytes and field.number == _CONVERSATIONS:
            inner = view[field.value : field.end]
            kept = b"".join(
                inner[one.start : one.end] for one in _fields(inner) if one.number != _MESSAGES
            )
            part = bytes(view[field.start : field.tag_end]) + _encoded(len(kept)) + kept
        if len(part) > most:
            continue
        if len(share) + len(part) > most:
            yield bytes(share)
            share.clear()
        share += part
    if share:
        yield bytes(share)


class _Field(NamedTuple):
    """A field of a protobuf message: where its tag starts and ends, its value starts, and it ends."""

    number: int
    start: int
    tag_end: int
    value: int
    end: int
    is_bytes: bool


def _fields(view: memoryview) -> Iterator[_Field]:
    """The fields of a message in their order. Raises `UnusableHistory`, once what is before was given."""
    position = 0
    while position < len(view):
        start = position
        tag, position = _varint(view, position)
        kind, tag_end = tag & 7, position
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            size, position = _varint(view, position)
        elif kind == 0:
            _, position = _varint(view, position)
        elif not size:
            raise UnusableHistory("malformed")
        if size > len(view) - position:
            raise UnusableHistory("malformed")
        yield _Field(tag >> 3, start, tag_end, position, position + size, kind == 2)
        position += size


_NAMES: Final = {
    proto.HistorySync.DESCRIPTOR.fields_by_name[name].number: name
    for name in ("conversations", "pushnames", "phoneNumberToLidMappings")
}


_CONVERSATIONS: Final = proto.HistorySync.DESCRIPTOR.fields_by_name["conversations"].number
_MESSAGES: Final = proto.Conversation.DESCRIPTOR.fields_by_name["messages"].number


def _encoded(size: int) -> bytes:
    """A size as a varint."""
    out = bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if position + index >= len(view):
            break
        byte = view[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise UnusableHistory("malformed")


def _url(host: str, notification: Any) -> str:
    named = {
        "hash": base64.urlsafe_b64encode(notification.fileEncSha256).decode(),
        "mms-type": "md-msg-hist",
        "__wa-mms": "",
    }
    joint = "&" if "?" in notification.directPath else "?"
    return f"https://{host}{notification.directPath}{joint}{urlencode(named)}"
