"""Serves API routes that list contacts, chat settings and labels from SQLite or Firestore, and queue changes of settings."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from actors.messages.content import ChatChange as Change
from actors.state.account.app_state import FLAGS, document_id, name_of, shown
from actors.state.documents import CHATS, CONTACTS, LABELS, Order, Where
from gateway.api import sends
from gateway.api.account.read_marks import GIVES, taken_in
from gateway.api.lookups import canonical
from gateway.api.messages import chat_today
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import account, addresses
from gateway.schemas.account import MOST_ADDRESSES, ChatChange, ListChats, ListContacts
from gateway.schemas.request_models import WaitParameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from actors.state.documents import Document, Page
    from gateway.backends import Backends

LAST_CHARACTER = "\U0010ffff"
"""Behind every letter."""


async def _contacts(call: ApiRequest[None, ListContacts]) -> Response:
    connection, query = (await resolve_path(call, fresh=True)).id, call.query
    if query.addresses is not None:
        return written(await _named(call, connection, query.addresses.split(",")))
    where = [Where("connection", "==", connection)]
    if query.name is not None:
        begun = query.name.casefold()
        where += [Where("sort_name", ">=", begun), Where("sort_name", "<", begun + LAST_CHARACTER)]
    page = await _page(call, CONTACTS, where, Order("sort_name"))
    items = [account.contact(each) for each in page.items]
    return written(account.Contacts(items=items, next=page.next))


async def _named(
    call: ApiRequest[None, ListContacts], connection: str, given: list[str]
) -> account.Contacts:
    if len(given) > MOST_ADDRESSES:
        raise Problem("invalid_parameter", f"Name {MOST_ADDRESSES} addresses at most.")
    people = dict.fromkeys(canonical(each, addresses.person) for each in given)
    today = [await _today(call.backends, connection, each) for each in people]
    found = await _documents(call.backends, CONTACTS, connection, dict.fromkeys(today))
    items = [account.contact(each) for each in found.values() if name_of(each) is not None]
    return account.Contacts(items=items, next=None)


async def _chats(call: ApiRequest[None, ListChats]) -> Response:
    connection, query = (await resolve_path(call, fresh=True)).id, call.query
    fields = {"connection": connection, **{flag: getattr(query, flag) for flag in FLAGS}}
    where = [Where(field, "==", value) for field, value in fields.items() if value is not None]
    page = await _page(call, CHATS, where, Order("at", descending=True))
    people = [each["chat"] for each in page.items if not each["chat"].endswith("@g.us")]
    names = await _documents(call.backends, CONTACTS, connection, people)
    items = [
        account.chat(each["chat"], shown(each), name_of(names.get(each["chat"])), time.time())
        for each in page.items
    ]
    return written(account.ChatStates(items=items, next=page.next))


async def _one(call: ApiRequest[None, None]) -> Response:
    connection = (await resolve_path(call, fresh=True)).id
    address = canonical(call.path["chat"], addresses.chat)
    chat = await chat_today(call.backends, connection, address)
    documents, id_ = call.backends.documents, document_id(connection, chat)
    there, contact = await asyncio.gather(documents.get(CHATS, id_), documents.get(CONTACTS, id_))
    return written(account.chat(chat, shown(there), name_of(contact), time.time()))


async def _labels(call: ApiRequest[None, None]) -> Response:
    connection = (await resolve_path(call, fresh=True)).id
    where = [Where("connection", "==", connection)]
    page = await call.backends.documents.query(LABELS, where=where)
    items = [account.label(each["label"], shown(each)) for each in page.items if shown(each)]
    return written(account.Labels(items=sorted(items, key=lambda each: (each.name, each.id))))


async def _change(call: ApiRequest[ChatChange, WaitParameters]) -> Response:
    key = sends.idempotency_key(call)
    connection = await resolve_path(call)
    chat, given = canonical(call.path["chat"], addresses.chat), call.body
    if given.muted_until is not None and given.muted is not True:
        raise Problem("invalid_field", "The field muted_until: it goes with muted: true.")
    if all(value is None for value in dict(given).values()):
        raise Problem("missing_field", 'Name a setting to change, as in {"archived": true}.')
    until = None if given.muted_until is None else given.muted_until.timestamp()
    wanted = Change(given.archived, given.pinned, given.unread, given.muted, until)
    return await taken_in(call, connection, chat, wanted, given.model_dump_json(), key=key)


async def _today(backends: Backends, connection: str, address: str) -> str:
    """The address under which the person is stored; only a LID may have another."""
    return await chat_today(backends, connection, address) if address.endswith("@lid") else address


async def _page(call: ApiRequest[None, Any], of: str, where: list[Where], order: Order) -> Page:
    return await call.backends.documents.query(
        of, where=where, order=[order], limit=call.query.limit, after=call.query.after
    )


async def _documents(
    backends: Backends, of: str, connection: str, wanted: Iterable[str]
) -> dict[str, Document]:
    """The documents of these addresses, by address; missing ones are left out."""
    chats = list(wanted)
    ids = [document_id(connection, each) for each in chats]
    found = await asyncio.gather(*(backends.documents.get(of, id_) for id_ in ids))
    return {each: there for each, there in zip(chats, found, strict=True) if there is not None}


_PATH = "/api/connections/{connection}"
_TAG = "account"
_REFUSES = ("store_away",)
OPERATIONS = (
    Operation(
        "GET",
        f"{_PATH}/contacts",
        "listContacts",
        "People in the address book of the account's phone, by name",
        _TAG,
        _contacts,
        {200: Gives("A page of contacts.", account.Contacts)},
        "read",
        query=ListContacts,
        refuses=(*_REFUSES, "invalid_cursor", "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "GET",
        f"{_PATH}/chats",
        "listChats",
        "Chats that have a setting in force, the last that was changed first",
        _TAG,
        _chats,
        {200: Gives("A page of chats.", account.ChatStates)},
        "read",
        query=ListChats,
        refuses=(*_REFUSES, "invalid_cursor"),
    ),
    Operation(
        "GET",
        f"{_PATH}/chats/{{chat}}",
        "getChat",
        "The settings of a chat",
        _TAG,
        _one,
        {200: Gives("The settings; of a chat without any, those of a new one.", account.ChatState)},
        "read",
        refuses=(*_REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "PATCH",
        f"{_PATH}/chats/{{chat}}",
        "changeChat",
        "Archive, pin or mute a chat on all devices, or mark it as read or unread",
        _TAG,
        _change,
        GIVES,
        "send",
        body=ChatChange,
        query=WaitParameters,
        headers=sends.KEY,
        refuses=(*sends.REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "GET",
        f"{_PATH}/labels",
        "listLabels",
        "Labels that the account's chats may have",
        _TAG,
        _labels,
        {200: Gives("The labels.", account.Labels)},
        "read",
        refuses=_REFUSES,
    ),
)
