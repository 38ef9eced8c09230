"""Serves the console's conversation pages: lists chats, shows messages, sends texts and files."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pydantic import ValidationError

from actors.connection.engine import ABILITIES
from gateway.console.console_request import Part
from gateway.console.page_app import Ask
from gateway.console.pages import conversation_groups
from gateway.http.problems import Problem, from_validation
from gateway.schemas import addresses
from gateway.schemas.account import MOST_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.responses import Response

    from gateway.console.console_request import View

ROOT: Final = "/console/conversations"
LOOKED_AT: Final = 300
"""Messages, of which the newest tell which conversations there are."""

PAGE: Final = 50
ALREADY_SENT: Final = (
    "Your first text was accepted and is on its way, only its answer was lost;"
    " what you wrote now was not sent. Send it again to send it as a message of its own."
)


async def first(view: View) -> Response:
    """Those of the first connection that has an account."""
    listed = await view.ask("listConnections")
    items = sorted(listed["items"], key=lambda one: one["account"] is None)
    if items:
        return view.to(f"{ROOT}/{items[0]['id']}")
    return await _shown(view, None, None, said=Part(None), listed=Part({"items": []}))


async def of_connection(view: View, problem: Problem | None = None) -> Response:
    name = view.path["connection"]
    written = view.query.get("to")
    if written is not None and problem is None:
        try:
            return view.to(_address(name, addresses.chat(written)))
        except addresses.InvalidAddress as error:
            return await of_connection(view, Problem(error.code, f"{error}.".capitalize()))
    found = await view.ask("getConnection", path={"connection": name})
    return await _shown(
        view, found, None, said=Part(None), listed=await _chats(view, name), problem=problem
    )


async def conversation(view: View, problem: Problem | None = None) -> Response:
    name, chat = view.path["connection"], view.path["chat"]
    query: dict[str, Any] = {"connection": name, "chat": chat, "limit": PAGE}
    if view.query.get("after"):
        query["after"] = view.query["after"]
    found, listed, said = await asyncio.gather(
        view.ask("getConnection", path={"connection": name}),
        _chats(view, name),
        view.part("listMessages", query=query),
    )
    just_sent = await _just_sent(view, found["incarnation"], chat)
    if said.data is not None or just_sent is not None:
        newest_first = [] if said.data is None else said.data["items"]
        earlier = None if said.data is None else said.data["next"]
        listing = conversation_groups.said(newest_first, just_sent)
        said = Part(
            {"days": list(conversation_groups.days(listing)), "earlier": earlier}, said.problem
        )
    return await _shown(view, found, chat, said=said, listed=listed, problem=problem)


async def say(view: View) -> Response:
    """Send a message; what is sent again after a lost answer is sent once (`once`)."""
    name, chat, form = view.path["connection"], view.path["chat"], view.form
    text = form.get("text", "").replace("\r\n", "\n")
    body: dict[str, Any] = {"connection": view.connection, "to": chat}
    if form.get("sha256"):
        kind = conversation_groups.kind_of(form.get("mime", ""))
        body |= {"type": kind, "media": {"sha256": form["sha256"]}}
        if text and kind != "audio":
            body["caption"] = text
        if kind == "document" and form.get("name"):
            body["name"] = form["name"]
    else:
        body |= {"type": "text", "text": text}
    headers = {"Idempotency-Key": form["once"]} if form.get("once") else {}
    try:
        accepted = await view.ask("sendMessage", body=body, headers=headers)
    except ValidationError as error:
        return await conversation(view, from_validation(error, tagged=True))
    except Problem as problem:
        if problem.kind.status in {403, 404, 410}:
            raise
        if problem.kind.code == "idempotency_conflict":
            problem = Problem("idempotency_conflict", ALREADY_SENT)
        return await conversation(view, problem)
    return view.to(f"{_address(name, chat)}?sent={quote(accepted['id'])}")


async def upload(view: View) -> Response:
    """Take a file in, for a message to bring: as the API does, in its words."""
    try:
        return await view.response("uploadMedia", query=dict(view.query))
    except ValidationError as error:
        return from_validation(error, parameters=True).response()
    except Problem as problem:
        return problem.response()


async def file(view: View) -> Response:
    """The file of a message. A browser that has it asks again whether it still may."""
    answer = await view.response("getMessageMedia", path={"id": view.path["id"]})
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


async def _chats(view: View, name: str) -> Part:
    listed = await view.part("listMessages", query={"connection": name, "limit": LOOKED_AT})
    if listed.data is None:
        return listed
    return Part(
        {"items": conversation_groups.chats(listed.data["items"]), "more": listed.data["next"]}
    )


async def _names(view: View, name: str, people: Iterable[str]) -> dict[str, str]:
    """The names of contacts by address; without the store, none."""
    asked = sorted({each for each in people if not each.endswith("@g.us")})
    parts = await asyncio.gather(
        *(
            view.part(
                "listContacts", path={"connection": name}, query={"addresses": ",".join(some)}
            )
            for some in (
                asked[at : at + MOST_ADDRESSES] for at in range(0, len(asked), MOST_ADDRESSES)
            )
        )
    )
    found = (one for part in parts if part.data is not None for one in part.data["items"])
    return {one["address"]: one["name"] for one in found}


async def _just_sent(view: View, incarnation: str, chat: str) -> Any:
    """The message sent from this page last: the list is up to two seconds behind."""
    sent = view.query.get("sent")
    if not sent:
        return None
    found = (await view.part("getMessage", path={"id": sent})).data
    here = sent.partition(".")[0] == incarnation and found is not None and found["chat"] == chat
    return found if here else None


async def _shown(
    view: View,
    found: Any,
    chat: str | None,
    *,
    said: Part,
    listed: Part,
    problem: Problem | None = None,
) -> Response:
    name = None if found is None else found["id"]
    others = [] if name is None else [each for each in view.names if each != name]
    address = ROOT if name is None else f"{ROOT}/{name}" if chat is None else _address(name, chat)
    known = [] if listed.data is None else [each.address for each in listed.data["items"]]
    people = known if chat is None else [*known, chat]
    able = frozenset() if found is None else ABILITIES.get(found["engine"], frozenset())
    names = await _names(view, found["id"], people) if "app_state" in able else {}
    asked = "&".join(
        f"{field}={quote(view.query[field])}" for field in ("after", "sent") if field in view.query
    )
    return await view.page(
        "conversations.html",
        problem=problem,
        live=address + (f"?{asked}" if asked and chat else ""),
        connection=found,
        others=others,
        chat=chat,
        said=said,
        chats=listed,
        names=names,
        earlier_page=bool(view.query.get("after")),
        shown_kinds=conversation_groups.SHOWN,
        given=view.form,
        once=_once(view, problem),
    )


def _once(view: View, problem: Problem | None) -> str:
    """The number of the form's next message: the same where what was sent may have arrived."""
    taken = problem is not None and problem.kind.code == "idempotency_conflict"
    given = None if taken else view.form.get("once")
    return given or secrets.token_hex(16)


def _address(name: str, chat: str) -> str:
    return f"{ROOT}/{name}/{quote(chat)}"


ASKS: Mapping[str, Mapping[str, Ask]] = {
    ROOT: {"GET": Ask(first)},
    f"{ROOT}/{{connection}}": {"GET": Ask(of_connection)},
    f"{ROOT}/{{connection}}/{{chat}}": {"GET": Ask(conversation), "POST": Ask(say)},
    "/console/media": {"POST": Ask(upload, upload=True)},
    "/console/media/{id}": {"GET": Ask(file)},
}
