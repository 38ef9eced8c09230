"""Serves the console's conversation pages by API operations: lists chats, shows messages, sends texts and files."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import Response

from gateway.console.console_request import PART_HEADER, PagePart
from gateway.console.page_app import PageMethod
from gateway.console.pages import conversation_groups, offered_actions
from gateway.http.problems import Problem
from gateway.schemas import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.console.console_request import ConsoleRequest

CONVERSATIONS_PATH: Final = "/console/conversations"
LISTED: Final = 40
"""Conversations on a page of the list."""

MESSAGE_PAGE: Final = 50
"""Messages on a page of a conversation."""

OF_LIST: Final = ("search", "list")
"""Parameters of the list of conversations: the words that it is searched for, and the cursor of its page."""

OUTLINE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36" fill="#8a949e">'
    '<circle cx="18" cy="13" r="6"/><path d="M6 32a12 11 0 0 1 24 0z"/></svg>'
)
"""Stands where somebody has no picture, or none that can be shown."""

PICTURE_SECONDS, OUTLINE_SECONDS = 600, 30
"""Seconds for which a browser keeps a picture; and the outline, where there may be a picture soon."""

ALREADY_SENT: Final = (
    "Your first text was accepted and is on its way, only its answer was lost;"
    " what you wrote now was not sent. Send it again to send it as a message of its own."
)


async def first(view: ConsoleRequest) -> Response:
    """Those of the first connection that has an account."""
    listed = await view.call("listConnections")
    items = sorted(listed["items"], key=lambda one: one["account"] is None)
    if items:
        return view.to(f"{CONVERSATIONS_PATH}/{items[0]['id']}")
    nothing = PagePart({"items": [], "next": None})
    return await _shown(view, None, None, messages=PagePart(None), listed=nothing)


async def of_connection(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """The chats of a connection; with `to` in the query the chat with that number or address."""
    name = view.path["connection"]
    written = view.query.get("to")
    if written is not None and problem is None:
        try:
            return view.to(address(name, addresses.chat(written)))
        except addresses.InvalidAddress as error:
            reason = str(error)
            problem = Problem(error.code, f"{reason[0].upper()}{reason[1:]}.")
            return await of_connection(view, problem)
    found = await view.call("getConnection", path={"connection": name})
    return await _shown(
        view, found, None, messages=PagePart(None), listed=await _chats(view, name), problem=problem
    )


async def conversation(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """A chat with a page of its messages, the newest first; beside it the chats of the connection."""
    name, chat = view.path["connection"], view.path["chat"]
    query: dict[str, Any] = {"connection": name, "chat": chat, "limit": MESSAGE_PAGE}
    if view.query.get("after"):
        query["after"] = view.query["after"]
    found, listed, messages = await asyncio.gather(
        view.call("getConnection", path={"connection": name}),
        _chats(view, name),
        view.part("listMessages", query=query),
    )
    just_sent, named = await _just_sent(view, found["incarnation"], chat), None
    if messages.data is not None or just_sent is not None:
        newest_first = [] if messages.data is None else messages.data["items"]
        named = conversation_groups.name(newest_first)
        earlier = None if messages.data is None else messages.data["next"]
        listing = conversation_groups.shown_messages(newest_first, just_sent)
        writes, now = view.may("sendMessage"), time.time()
        data = {
            "days": list(conversation_groups.days(listing)),
            "earlier": earlier,
            "offers": {
                one["id"]: offered_actions.offered(one, now) if writes else () for one in listing
            },
        }
        messages = PagePart(data, messages.problem)
    return await _shown(
        view, found, chat, messages=messages, listed=listed, named=named, problem=problem
    )


async def send(view: ConsoleRequest) -> Response:
    """Send a message; a form that is sent again after a lost answer sends once (`once`)."""
    name, chat, form = view.path["connection"], view.path["chat"], view.form
    text = form.get("text", "").replace("\r\n", "\n")
    body: dict[str, Any] = {"connection": view.connection, "to": chat}
    if form.get("edit"):
        body |= {"type": "edit", "message": form["edit"], "text": text}
    elif form.get("sha256"):
        kind = conversation_groups.kind_of(form.get("mime", ""))
        body |= {"type": kind, "media": {"sha256": form["sha256"]}}
        if text and kind != "audio":
            body["caption"] = text
        if kind == "document" and form.get("name"):
            body["name"] = form["name"]
    else:
        body |= {"type": "text", "text": text}
    if form.get("reply_to") and not form.get("edit"):
        body["reply_to"] = form["reply_to"]
    taken = await accepted(view, "sendMessage", body=body)
    if not isinstance(taken, dict):
        return taken
    # A change is seen at the message that it changes.
    sent = "" if form.get("edit") else f"?sent={quote(taken['id'])}"
    return view.to(address(name, chat) + sent)


async def accepted(view: ConsoleRequest, operation: str, **query: Any) -> dict[str, Any] | Response:
    """The API's answer to a send, which the form's number (`once`) makes one; a refusal is the page that says it."""
    headers = {"Idempotency-Key": view.form["once"]} if view.form.get("once") else {}
    try:
        answer: dict[str, Any] = await view.call(operation, headers=headers, **query)
    except Problem as problem:
        if problem.kind.status in {403, 404, 410}:
            raise
        if problem.kind.code == "idempotency_conflict":
            problem = Problem("idempotency_conflict", ALREADY_SENT)
        return await conversation(view, problem)
    return answer


async def read(view: ConsoleRequest) -> Response:
    """Mark what arrived in a conversation as read, also for the people who wrote it."""
    name, chat = view.path["connection"], view.path["chat"]
    try:
        await view.call("markChatRead", path={"connection": view.connection, "chat": chat})
    except Problem as problem:
        if problem.kind.status in {403, 404, 410}:
            raise
        return await conversation(view, problem)
    return view.to(address(name, chat))


async def upload(view: ConsoleRequest) -> Response:
    """Take a file in, for a message to bring: as the API does, in its words."""
    try:
        return await view.response("uploadMedia", query=dict(view.query))
    except Problem as problem:
        return problem.response()


async def file(view: ConsoleRequest) -> Response:
    """The file of a message. A browser that has it asks again whether it still may."""
    answer = await view.response("getMessageMedia", path={"id": view.path["id"]})
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


async def picture(view: ConsoleRequest) -> Response:
    """The picture of a person or group; the outline where there is none, and while none can be had."""
    path = {"connection": view.path["connection"], "chat": view.path["chat"]}
    seconds = PICTURE_SECONDS
    try:
        answer = await view.response("getPicture", path=path)
    except Problem as problem:
        if problem.kind.code in {"missing_scope", "rate_limited", "unknown_connection"}:
            raise
        answer = Response(OUTLINE, media_type="image/svg+xml")
        if problem.kind.code not in {"no_picture", "not_allowed"}:
            seconds = OUTLINE_SECONDS
    answer.headers["Cache-Control"] = f"private, max-age={seconds}"
    return answer


async def _chats(view: ConsoleRequest, name: str) -> PagePart:
    query: dict[str, Any] = {"connection": name, "limit": LISTED}
    if view.query.get("search"):
        query["search"] = view.query["search"]
    if view.query.get("list"):
        query["after"] = view.query["list"]
    return await view.part("listAllChats", query=query)


async def _saved_name(view: ConsoleRequest, name: str, person: str) -> str | None:
    """The name of a person in the address book of the account's phone; without the store, none."""
    found = await view.part("listContacts", path={"connection": name}, query={"addresses": person})
    return next((one["name"] for one in found.data["items"]), None) if found.data else None


async def _just_sent(view: ConsoleRequest, incarnation: str, chat: str) -> Any:
    """The message sent from this page last: the list is up to two seconds behind."""
    sent = view.query.get("sent")
    if not sent:
        return None
    found = (await view.part("getMessage", path={"id": sent})).data
    here = sent.partition(".")[0] == incarnation and found is not None and found["chat"] == chat
    return found if here else None


async def _shown(
    view: ConsoleRequest,
    found: Any,
    chat: str | None,
    *,
    messages: PagePart,
    listed: PagePart,
    named: str | None = None,
    problem: Problem | None = None,
) -> Response:
    """`named` is the name of the chat by its messages."""
    name = None if found is None else found["id"]
    others = [] if name is None else [each for each in view.names if each != name]
    page_address = address(name, chat)
    chats = [] if listed.data is None else listed.data["items"]
    here = next((one for one in chats if one["chat"] == chat), None)
    chat_name = None if here is None else here["name"]
    if chat is not None and here is None:
        chat_name = named
        if not addresses.is_group(chat):
            chat_name = await _saved_name(view, found["id"], chat) or chat_name
    # A number that is none stays on the page, with what is wrong with it.
    fields = (*OF_LIST, "to") if chat is None else (*OF_LIST, "after", "sent")
    query = _query({field: view.query.get(field) for field in fields})
    return await view.page(
        "conversations.html",
        problem=problem,
        live=page_address + query,
        connection=found,
        others=others,
        chat=chat,
        thread=page_address,
        said=messages,
        chats=listed,
        chat_name=chat_name,
        picture=None if here is None else here["picture"],
        unread=0 if here is None else here["unread"],
        search=view.query.get("search", ""),
        written=view.query.get("to", ""),
        of_list=_query({field: view.query.get(field) for field in OF_LIST}),
        next_list=None if listed.data is None else _next(view, listed.data["next"]),
        later_list=bool(view.query.get("list")),
        earlier_page=bool(view.query.get("after")),
        shown_kinds=conversation_groups.INLINE_IMAGE_TYPES,
        given=view.form,
        once=_once(view, problem),
    )


def _once(view: ConsoleRequest, problem: Problem | None) -> str:
    """The number of the form's next message: the same where what was sent may have arrived.

    Empty in a part that a script asks for, which would differ by it at each look: the script makes one.
    """
    if view.request.method == "GET" and PART_HEADER in view.request.headers:
        return ""
    taken = problem is not None and problem.kind.code == "idempotency_conflict"
    given = None if taken else view.form.get("once")
    return given or secrets.token_hex(16)


def _next(view: ConsoleRequest, cursor: str | None) -> str | None:
    """The query of the next page of the list; None where this is the last."""
    return None if cursor is None else _query({"search": view.query.get("search"), "list": cursor})


def _query(fields: Mapping[str, str | None]) -> str:
    """The query string of the fields that have a value, with its question mark."""
    given = "&".join(f"{field}={quote(value, safe='')}" for field, value in fields.items() if value)
    return f"?{given}" if given else ""


def address(name: str | None, chat: str | None) -> str:
    """The page of a conversation, of a connection's conversations, or of all."""
    return "/".join(
        (CONVERSATIONS_PATH, *(quote(part) for part in (name, chat) if part is not None))
    )


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    CONVERSATIONS_PATH: {"GET": PageMethod(first, events=True)},
    f"{CONVERSATIONS_PATH}/{{connection}}": {"GET": PageMethod(of_connection, events=True)},
    f"{CONVERSATIONS_PATH}/{{connection}}/{{chat}}": {
        "GET": PageMethod(conversation, events=True),
        "POST": PageMethod(send),
    },
    f"{CONVERSATIONS_PATH}/{{connection}}/{{chat}}/read": {"POST": PageMethod(read)},
    f"{CONVERSATIONS_PATH}/{{connection}}/{{chat}}/picture": {
        "GET": PageMethod(picture, file=True)
    },
    "/console/media": {"POST": PageMethod(upload, upload=True)},
    "/console/media/{id}": {"GET": PageMethod(file, file=True)},
}
