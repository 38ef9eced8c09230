"""Serves control API routes on accounts in SQLite: show devices, change properties, migrate to LIDs, delete prekeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from simulator.contacts.message_handler import MISNAMED_COPIES
from simulator.control.request_parser import ProblemError, body_of, field, optional
from simulator.server.messages import SENT_BY

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from simulator.server_state import ServerState


class AccountRoutes:
    """Endpoints under /accounts."""

    def __init__(self, world: ServerState) -> None:
        self._world = world
        # immediate effects of changed properties
        self._effects: dict[str, Callable[[str], None]] = {
            "standing": self._close,
            "read_receipts": world.privacy.announce,
            "limited_until": world.reach_out.announce_lock,
            "chat_cap": world.reach_out.cap_changed,
        }

    async def account(self, request: Request) -> JSONResponse:
        """The account and its linked devices; POST changes its properties, all or none."""
        world, number = self._world, self._number(request)
        if request.method == "POST":
            changes = await body_of(request)
            with world.store.transaction():
                world.properties.change(number, changes)
                for name in changes:
                    self._effects.get(name, _nothing)(number)
        return JSONResponse(self._described(number))

    def _described(self, number: str) -> dict[str, Any]:
        world, devices = self._world, []
        for companion in world.companions.of(number):
            waiting = world.queue.counts(companion.key)
            devices.append(
                {
                    "device": companion.device,
                    "online": world.switchboard.live(companion.key) is not None,
                    "unacknowledged": sum(waiting.values()),
                    "waiting": waiting,
                    "prekeys": world.companions.prekey_count(companion),
                    "logins": companion.logins,
                    "version": companion.version,
                    "paired_at": companion.paired_at,
                }
            )
        return {
            "number": number,
            "online": any(device["online"] for device in devices),
            **world.properties.described(number),
            "available": world.presence.available(number),
            **{
                total: sum(int(device[total]) for device in devices)  # type: ignore[call-overload]
                for total in ("unacknowledged", "prekeys")
            },
            "logins": {
                kind: world.store.counted(number, f"logins_{kind}")
                for kind in ("xx", "ik", "xxfallback")
            },
            **{
                count: world.store.counted(number, count)
                for count in ("retries", "placeholder_resends", *SENT_BY.values(), MISNAMED_COPIES)
            },
            "version": devices[-1]["version"] if devices else "",
            "read": world.read_messages.of(number),
            "tokens": world.tokens.counts(number),
            "refused": world.reach_out.refused(number),
            "chats_begun": world.reach_out.chats_begun(number),
            "remarks": world.remarks.of(number),
            "devices": devices,
        }

    def _close(self, number: str) -> None:
        """Closes the sockets of an account whose logins are refused from now on."""
        if self._world.standings.refusal(number) is not None:
            for connection in self._world.switchboard.of(number):
                connection.retire()

    async def migrate(self, request: Request) -> JSONResponse:
        """Migrates the account to LIDs; its phone sends its devices those of `contacts`."""
        world, number, body = self._world, self._number(request), await body_of(request)
        contacts = optional(body, "contacts", [])
        if not all(isinstance(one, str) for one in contacts):
            raise ProblemError(400, "wrong_type", "contacts must be a list of numbers")
        with world.store.transaction():
            migrated = world.migration_sync.migrate(number, contacts)
        return JSONResponse({"number": number, "migrated": True, "told": migrated})

    async def prekeys(self, request: Request) -> JSONResponse:
        """Deletes all but `keep` one-time prekeys of each device of the account."""
        kept = field(await body_of(request), "keep", int)
        if kept < 0:
            raise ProblemError(400, "bad_keep", "keep must not be negative")
        world = self._world
        with world.store.transaction():
            left = [
                world.prekeys.trim(companion, kept)
                for companion in world.companions.of(self._number(request))
            ]
        return JSONResponse({"prekeys": sum(left)})

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number


def _nothing(_: str) -> None:
    """The effect of a property that is read at each use."""
