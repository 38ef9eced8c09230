"""Serves control API routes that act as people or an account's phone: messages, inboxes, devices, behaviour (SQLite)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from simulator.contacts.contact_behaviour import NoCompanionError
from simulator.contacts.inbox import InboxPage
from simulator.contacts.message_builder import seconds_of, text_of_request
from simulator.contacts.people import ADDRESSINGS, RECEIPTS
from simulator.control.request_parser import ProblemError, body_of, field, number_in, optional
from simulator.phones.placeholder_resend import UNAVAILABLE
from simulator.server.groups.group import is_group
from simulator.server.rules.hidden_numbers import NUMBER_SHOWN
from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import LID_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from simulator.contacts.people import Person
    from simulator.server_state import ServerState

MAX_COUNT: Final = 10_000
# Messages in one transaction, before other requests have their turn.
_TURN: Final = 20


class ContactRoutes:
    """Endpoints under /contacts, and those of /phones and /accounts that are about a person."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def change(self, request: Request) -> JSONResponse:
        """Changes a person's behaviour. `prekeys`: the number of further bundles with a one-time prekey."""
        body = await body_of(request)
        kinds: dict[str, type | tuple[type, ...]] = {
            "name": str,
            "receipts": str,
            "registered": bool,
            "delivered_after": (int, float),
            "read_after": (int, float),
            "prekeys": int,
            "answered_by": (str, type(None)),
        }
        properties = {name: body.pop(name) for name in CONTACT if name in body}
        if properties.get(NUMBER_SHOWN) is False:
            body["addressing"] = LID_SERVER
            kinds["addressing"] = str
        for name in body:
            if name not in kinds:
                raise ProblemError(400, "unknown_field", f"unknown field {name!r}")
            field(body, name, kinds[name])
        if body.get("receipts", "read") not in RECEIPTS:
            raise ProblemError(
                400, "bad_receipts", f"receipts must be one of {', '.join(RECEIPTS)}"
            )
        world, number = self._world, self._number(request)
        with world.store.transaction():
            if "answered_by" in body:
                other = body.pop("answered_by")
                if other is not None:
                    other = world.people.named(other.lstrip("+")).number
                world.answering_numbers.change(number, other)
                body["registered"] = other is None and body.get("registered", True)
            world.properties.change(number, properties, CONTACT)
            return self._described(world.people.change(number, body))

    async def contact(self, request: Request) -> JSONResponse:
        return self._described(self._world.people.named(self._number(request)))

    async def addressing(self, request: Request) -> JSONResponse:
        """Changes the address under which the person writes: phone number or LID."""
        mode = field(await body_of(request), "mode", str)
        changes = {"addressing": ADDRESSINGS[_addressing(mode)]}
        return self._described(self._world.people.change(self._number(request), changes))

    async def say(self, request: Request) -> JSONResponse:
        """Sends a message once, or a text `count` times, numbered, each under its own id."""
        body = await body_of(request)
        number, composer = self._number(request), self._world.composer
        kind, count = composer.check(body), optional(body, "count", 1)
        if "count" in body and kind != "text":
            raise ProblemError(400, "bad_count", "count is for texts only")
        if not 1 <= count <= MAX_COUNT:
            raise ProblemError(400, "bad_count", f"count must be 1 to {MAX_COUNT}")
        device = optional(body, "device", 0)
        addressing = _addressing(body["addressing"]) if "addressing" in body else None
        to = self._chat(field(body, "to", str))
        placeholder = None
        if "unavailable" in body:
            kinds = UNAVAILABLE.get(field(body, "unavailable", str))
            if kinds is None:
                raise ProblemError(
                    400, "bad_unavailable", f"unavailable must be one of {', '.join(UNAVAILABLE)}"
                )
            placeholder = [Node("unavailable", attrs) for attrs in kinds]
        bodies = [body]
        if "count" in body:
            text = text_of_request(body)
            bodies = [body | {"text": f"{text} {index}"} for index in range(1, count + 1)]

        def message(sent: dict[str, Any]) -> Callable[[Person, str], Any]:
            return lambda speaker, server: composer.message(sent, speaker, to, server)

        ids: list[str] = []
        try:
            for start in range(0, len(bodies), _TURN):
                with self._world.store.transaction():
                    ids += [
                        self._world.contact_behaviour.speak(
                            number,
                            to,
                            message(one),
                            device=device,
                            addressing=addressing,
                            placeholder=placeholder,
                        )
                        for one in bodies[start : start + _TURN]
                    ]
                await asyncio.sleep(0)
        except NoCompanionError as error:
            raise ProblemError(
                409, "no_companion", "the account has no linked device to receive it"
            ) from error
        return JSONResponse({"ids": ids} if "count" in body else {"id": ids[0]})

    async def timer(self, request: Request) -> JSONResponse:
        """Sets the timer between the person and an account, in seconds, without a notification."""
        body, world = await body_of(request), self._world
        account = world.people.named(field(body, "account", str).lstrip("+")).number
        seconds = seconds_of(body)
        world.chat_timers.set(seconds, self._number(request), account)
        return JSONResponse({"account": account, "seconds": seconds})

    async def token(self, request: Request) -> JSONResponse:
        """Issues a privacy token to an account and notifies its devices; `at`: the time of issue."""
        body, world = await body_of(request), self._world
        account = world.people.named(field(body, "account", str).lstrip("+")).number
        at = field(body, "at", (int, float)) if "at" in body else None
        if at is not None and at < 0:
            raise ProblemError(400, "bad_at", "at must be seconds since the epoch")
        with world.store.transaction():
            world.tokens.issue(self._number(request), account, at)
        return JSONResponse({"account": account})

    async def status(self, request: Request) -> JSONResponse:
        """Sends the devices of the account `to` a status, as a <status> stanza."""
        body, world = await body_of(request), self._world
        account = world.people.named(field(body, "to", str).lstrip("+")).number
        if not world.companions.of(account):
            raise ProblemError(409, "no_companion", "the account has no linked device")
        with world.store.transaction():
            shown = world.odd_stanzas.status(self._number(request), account, text_of_request(body))
        return JSONResponse({"id": shown})

    async def phone_say(self, request: Request) -> JSONResponse:
        """Sends a message from the account's own phone; its companions get the copy."""
        if not self._world.companions.of(self._number(request)):
            raise ProblemError(409, "no_companion", "the account has no linked device")
        return await self.say(request)

    async def reinstall(self, request: Request) -> JSONResponse:
        """Reinstalls the app of the person: no sessions any more, and a new identity unless it is `same`."""
        body = await body_of(request)
        number = self._number(request)
        identity = optional(body, "identity", "new")
        if identity not in ("new", "same"):
            raise ProblemError(400, "bad_identity", "identity must be new or same")
        if identity == "new" and self._world.companions.of(number):
            raise ProblemError(409, "has_companions", "linked devices would lose their signatures")
        with self._world.store.transaction():
            self._world.device_changes.reinstall(
                number, same_identity=identity == "same", notify=optional(body, "notify", True)
            )
        return JSONResponse({"number": number, "identity": identity})

    async def link(self, request: Request) -> JSONResponse:
        """Links another device of the person, which clients learn of where `notify` is true."""
        body = await body_of(request)
        number = self._number(request)
        hosted, notify = optional(body, "hosted", False), optional(body, "notify", True)
        with self._world.store.transaction():
            device = self._world.device_changes.link(number, notify=notify, hosted=hosted)
        return JSONResponse({"device": device}, status_code=201)

    async def unlink(self, request: Request) -> JSONResponse:
        """Unlinks a device of the person, which clients learn of where `notify` is true."""
        number, device = self._number(request), int(request.path_params["device"])
        notify = request.query_params.get("notify", "true")
        if notify not in ("true", "false"):
            raise ProblemError(400, "bad_notify", "notify must be true or false")
        with self._world.store.transaction():
            self._world.device_changes.unlink(number, device, notify=notify == "true")
        return JSONResponse({"device": device})

    async def forget(self, request: Request) -> JSONResponse:
        """Deletes the person's Signal sessions with the devices of an account."""
        body = await body_of(request)
        account = self._world.people.named(field(body, "account", str).lstrip("+")).number
        with self._world.store.transaction():
            forgotten = self._world.device_changes.forget(self._number(request), account)
        return JSONResponse({"sessions": forgotten})

    async def inbox(self, request: Request) -> JSONResponse:
        """Serves a page of the messages that the person received."""
        return self._paged(request, self._world.inbox.received)

    async def copies(self, request: Request) -> JSONResponse:
        """Messages of the companions, as the account's own phone received them."""
        return self._paged(request, self._world.inbox.copies)

    async def said(self, request: Request) -> JSONResponse:
        """Serves a page of the messages that the person sent."""
        return self._paged(request, self._world.sent.of)

    def _paged(
        self, request: Request, read: Callable[[str, InboxPage], list[dict[str, Any]]]
    ) -> JSONResponse:
        """The items after `after`, at most `limit`; `last` is where the next page begins."""
        after = number_in(request, "after", "bad_page") or 0
        limit = number_in(request, "limit", "bad_page")
        if limit == 0:
            raise ProblemError(400, "bad_page", "limit must be 1 or more")
        items = read(self._number(request), InboxPage(after, -1 if limit is None else limit))
        return JSONResponse({"items": items, "last": items[-1]["index"] if items else after})

    def _described(self, person: Person) -> JSONResponse:
        played = self._world.endpoints.of(person.number)
        linked = {one.device: one for one in self._world.companions.of(person.number)}
        return JSONResponse(
            {
                "number": person.number,
                "lid": person.lid,
                "name": person.name,
                "registered": person.registered,
                "receipts": person.receipts,
                "delivered_after": person.delivered_after,
                "read_after": person.read_after,
                "prekeys": person.prekeys,
                **self._world.properties.described(person.number, CONTACT),
                "answered_by": self._world.answering_numbers.of(person.number),
                "addressing": "lid" if person.addressing == LID_SERVER else "pn",
                "retries": self._world.store.counted(person.number, "retries_sent"),
                "devices": [
                    {
                        "device": device,
                        "identity": (
                            linked[device].identity
                            if device in linked
                            else played[device].identity.public
                        ).hex(),
                        "registration_id": (
                            linked[device] if device in linked else played[device]
                        ).registration,
                    }
                    for device in self._world.devices.of(person.number)
                ],
            }
        )

    def _chat(self, to: str) -> str:
        if is_group(to):
            return self._world.groups.named(to).chat
        return self._world.people.named(to.lstrip("+")).number

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number


def _addressing(mode: Any) -> str:
    if not isinstance(mode, str) or mode not in ADDRESSINGS:
        raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
    return mode
