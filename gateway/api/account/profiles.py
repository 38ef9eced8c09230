"""Serves API routes for pictures of people and groups, blocked people and the own profile; its connection acts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from actors.state.account import pictures
from actors.state.documents import StoreAway
from gateway.acceptance.attachments import NOT_KEPT
from gateway.api import media, sends
from gateway.api.account.groups import group_in_path
from gateway.api.lookups import REFUSES, canonical, request_owner
from gateway.connection_access import resolve, resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import addresses
from gateway.schemas.people import profiles as models
from gateway.schemas.people.groups import OfGroup

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.connections import Connection as Registered
    from actors.state.documents import Documents

MAX_UPLOADED_PICTURE: Final = 2**20
_JPEG: Final = b"\xff\xd8\xff"
_UNANSWERED: Final = frozenset(
    {"connection_not_open", "connection_busy", "not_answered", "redis_away", "whatsapp_limited"}
)
"""Codes of a picture that cannot be asked for now."""


async def _picture(call: ApiRequest[None, None]) -> Response:
    """The picture of a person or group. It is fetched from WhatsApp once, and again where the disk has it no more.

    While WhatsApp cannot be asked, it is the last one, unless that was hidden since.
    """
    registered = await resolve_path(call)
    chat = canonical(call.path["chat"], addresses.chat)
    documents = call.backends.documents
    there: pictures.Listed = {}
    with suppress(StoreAway):
        there = await pictures.listed(documents, registered.id, chat)
    last = pictures.last(there)
    try:
        found = (await request_owner(call, registered, "picture", {"chat": chat}))["picture"]
    except Problem as problem:
        if problem.kind.code == "not_allowed":
            await _note_picture(documents, there, None)
        if last is None or problem.kind.code not in _UNANSWERED:
            raise
        sha256: str | None = last
    else:
        sha256 = None if found is None else str(found["sha256"])
        await _note_picture(documents, there, sha256)
    if sha256 is None:
        raise Problem("no_picture")
    file = await call.backends.files.find(sha256, call.key.tenant)
    if file is None:
        raise Problem("media_gone")
    return await media.file_response(call, media.ShownFile(sha256, "image/jpeg", None), file)


async def _note_picture(documents: Documents, there: pictures.Listed, sha256: str | None) -> None:
    """Note which picture the chat has, None for none, or one that is hidden; nothing while the store is away."""
    with suppress(StoreAway):
        await pictures.note(documents, there, sha256)


async def _set_picture(call: ApiRequest[models.NewPicture, OfGroup]) -> Response:
    chat = group_in_path(call)
    registered = await resolve(call, call.query.connection)
    await _require_jpeg(call, registered, call.body.picture)
    await request_owner(
        call, registered, "set_picture", {"chat": chat, "sha256": call.body.picture}
    )
    return Response(status_code=204)


async def _remove_picture(call: ApiRequest[None, OfGroup]) -> Response:
    chat = group_in_path(call)
    registered = await resolve(call, call.query.connection)
    await request_owner(call, registered, "set_picture", {"chat": chat, "sha256": None})
    return Response(status_code=204)


async def _profile(call: ApiRequest[None, None]) -> Response:
    answer = await request_owner(call, await resolve_path(call), "profile", {})
    return written(models.Profile.model_validate(answer))


async def _change_profile(call: ApiRequest[models.ProfileChange, None]) -> Response:
    registered, changes = await resolve_path(call), call.body.changes
    if not changes:
        raise Problem("missing_field", 'Name something to change, as in {"about": "At work"}.')
    if (wanted := changes.get("picture")) is not None:
        await _require_jpeg(call, registered, wanted)
    await request_owner(call, registered, "change_profile", {"change": changes})
    return Response(status_code=204)


async def _blocked(call: ApiRequest[None, None]) -> Response:
    answer = await request_owner(call, await resolve_path(call), "blocked", {})
    return written(models.Blocked(items=answer["people"]))


async def _block(call: ApiRequest[None, None]) -> Response:
    return await _set_blocked(call, blocked=True)


async def _unblock(call: ApiRequest[None, None]) -> Response:
    return await _set_blocked(call, blocked=False)


async def _set_blocked(call: ApiRequest[None, None], *, blocked: bool) -> Response:
    registered = await resolve_path(call)
    person = canonical(call.path["person"], addresses.person)
    await request_owner(call, registered, "block", {"person": person, "blocked": blocked})
    return Response(status_code=204)


async def _require_jpeg(call: ApiRequest[Any, Any], registered: Registered, sha256: str) -> None:
    """Problems `unknown_media`, also for a file of others, `media_too_large` and `media_type_mismatch`."""
    await sends.owned_file(call, registered.id, sha256)
    entry = await call.backends.files.entry(sha256, registered.id)
    file = await call.backends.files.find(sha256, registered.id)
    if entry is None or file is None:
        raise Problem("unknown_media", NOT_KEPT)
    if entry.size > MAX_UPLOADED_PICTURE:
        raise Problem("media_too_large", f"A picture has at most {MAX_UPLOADED_PICTURE} bytes.")
    if await asyncio.to_thread(_begins, file) != _JPEG:
        raise Problem("media_type_mismatch", "A picture is a JPEG.")


def _begins(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(_JPEG))


_REFUSED: Final = ("not_allowed", "whatsapp_refused", "whatsapp_limited")
_FILES: Final = ("media_unavailable", "disk_reserve", "vault_away", "store_away")
_SET: Final = ("unknown_media", "media_too_large", "media_type_mismatch", *_FILES)
_OF_GROUP: Final = (
    *(*REFUSES, *_REFUSED, *_FILES),
    *("unknown_connection", "unknown_group", "unsupported_chat"),
)
_PERSON: Final = (*REFUSES, *_REFUSED, "not_on_whatsapp", "invalid_number", "unsupported_chat")
OPERATIONS = (
    Operation(
        "GET",
        "/api/chats/{connection}/{chat}/picture",
        "getPicture",
        "The picture of a person or group, an hour old at most",
        "account",
        _picture,
        {
            200: Gives(
                "The picture.", media_types=("image/jpeg",), headers={"ETag": "Its SHA-256."}
            ),
            206: Gives("The part that `Range` asks for.", media_types=("image/jpeg",)),
            304: Gives("It is the one that `If-None-Match` names."),
        },
        "read",
        waits=True,
        refuses=(
            *(*REFUSES, *_REFUSED, *_FILES, "no_picture", "media_gone", "unknown_group"),
            *("range_not_satisfiable", "invalid_number", "unsupported_chat"),
        ),
    ),
    Operation(
        "PUT",
        "/api/groups/{group}/picture",
        "setGroupPicture",
        "Give a group a picture",
        "account",
        _set_picture,
        {204: Gives("WhatsApp has it.")},
        "send",
        body=models.NewPicture,
        query=OfGroup,
        refuses=(*_OF_GROUP, *_SET),
    ),
    Operation(
        "DELETE",
        "/api/groups/{group}/picture",
        "removeGroupPicture",
        "Remove the picture of a group",
        "account",
        _remove_picture,
        {204: Gives("It has none.")},
        "send",
        query=OfGroup,
        refuses=_OF_GROUP,
    ),
    Operation(
        "GET",
        "/api/connections/{connection}/profile",
        "getProfile",
        "The account's own name and text",
        "account",
        _profile,
        {200: Gives("The profile.", models.Profile)},
        "read",
        waits=True,
        refuses=(*REFUSES, *_REFUSED, "not_on_whatsapp"),
    ),
    Operation(
        "PATCH",
        "/api/connections/{connection}/profile",
        "changeProfile",
        "Change the account's own name, text or picture",
        "account",
        _change_profile,
        {204: Gives("WhatsApp has it.")},
        "admin",
        body=models.ProfileChange,
        refuses=(*REFUSES, *_REFUSED, *_SET, "not_on_whatsapp", "unknown_group"),
    ),
    Operation(
        "GET",
        "/api/contacts/{connection}/blocked",
        "listBlocked",
        "The people whom the account blocks",
        "account",
        _blocked,
        {200: Gives("All of them.", models.Blocked)},
        "read",
        waits=True,
        refuses=(*REFUSES, *_REFUSED, "not_on_whatsapp"),
    ),
    Operation(
        "PUT",
        "/api/contacts/{connection}/blocked/{person}",
        "blockPerson",
        "Block a person",
        "account",
        _block,
        {204: Gives("Blocked.")},
        "send",
        refuses=_PERSON,
    ),
    Operation(
        "DELETE",
        "/api/contacts/{connection}/blocked/{person}",
        "unblockPerson",
        "Block a person no more",
        "account",
        _unblock,
        {204: Gives("Not blocked.")},
        "send",
        refuses=_PERSON,
    ),
)
