"""Has the whatsmeow program send requests about groups, and converts its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.abilities.administration import InvitedGroup, JoinedGroup
from actors.connection.protocol.administration.group_administration import Answered
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.whatsmeow.queries.groups import ADD_MODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.connection.abilities.administration import MemberAction
    from actors.connection.protocol.administration.group_administration import Named
    from actors.connection.whatsmeow.login_channel import Link


class ProgramGroupRequests:
    """Implements `protocol.administration.group_administration.GroupRequests` over one login of the program.

    The library finds the phone number that goes with a LID by itself.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def create(
        self, subject: str, people: Sequence[Named]
    ) -> tuple[Address, str, Sequence[Answered]]:
        """See the port."""
        answer = await self._request("group_create", subject=subject, people=_addresses(people))
        return _chat(answer), str(answer.get("subject", "")), _answers(answer)

    async def set(self, chat: Address, setting: str, value: Any) -> None:
        """See the port."""
        if setting == "member_add_mode":
            value = ADD_MODES[value]
        await self._request("group_set", chat=str(chat), **{setting: value})

    async def change_members(
        self, chat: Address, action: MemberAction, people: Sequence[Named]
    ) -> Sequence[Answered]:
        """See the port."""
        wanted = {"chat": str(chat), "action": action, "people": _addresses(people)}
        return _answers(await self._request("group_members", **wanted))

    async def invite_code(self, chat: Address, *, revoke: bool) -> str:
        """See the port."""
        return str((await self._request("group_invite", chat=str(chat), revoke=revoke))["code"])

    async def invited(self, code: str) -> InvitedGroup:
        """See the port."""
        answer = await self._request("group_invited", code=code)
        chat, size = _chat(answer), answer.get("size")
        subject, description = str(answer.get("subject", "")), str(answer.get("description", ""))
        return InvitedGroup(str(chat), subject, description, size or None)

    async def join(self, code: str) -> JoinedGroup:
        """See the port."""
        answer = await self._request("group_join", code=code)
        return JoinedGroup(str(_chat(answer)), pending=bool(answer.get("pending")))

    async def leave(self, chat: Address) -> None:
        """See the port."""
        await self._request("group_leave", chat=str(chat))

    async def _request(self, do: str, **values: Any) -> Mapping[str, Any]:
        return (await self._link.call(do, **values)).header


def _addresses(people: Sequence[Named]) -> list[str]:
    return [str(one.address) for one in people]


def _answers(answer: Mapping[str, Any]) -> list[Answered]:
    return [
        Answered(
            tuple(
                address
                for name in ("address", "phone", "lid")
                if (address := parse_optional(one.get(name))) is not None
            ),
            int(one.get("error") or 0),
        )
        for one in answer.get("people") or ()
    ]


def _chat(answer: Mapping[str, Any]) -> Address:
    """The group in an answer. Raises `RequestFailed` where it names none."""
    chat = parse_optional(str(answer.get("chat", "")))
    if chat is None or chat.server != GROUP:
        raise RequestFailed(0)
    return chat
