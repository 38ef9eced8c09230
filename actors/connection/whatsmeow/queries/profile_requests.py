"""Has the whatsmeow program send requests about pictures, blocked people and the own profile, and converts its answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actors.connection.protocol.administration.profile_administration import FoundPicture
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.whatsmeow.app_state import own_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.connection.protocol.administration.group_administration import Named
    from actors.connection.whatsmeow.login_channel import Link

NAME_CHANGE_SECONDS: Final = 10.0
"""Seconds that WhatsApp has for a changed name."""


class ProgramProfileRequests:
    """Implements `protocol.administration.profile_administration.ProfileRequests` over one login of the program."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def picture(self, chat: Address) -> FoundPicture:
        """See the port."""
        answer = await self._request("picture", chat=str(chat))
        return FoundPicture(str(answer.get("picture", "")), str(answer.get("url", "")))

    async def set_picture(self, group: Address | None, jpeg: bytes | None) -> None:
        """See the port."""
        chat = "" if group is None else str(group)
        await self._link.call("picture_set", body=jpeg or b"", chat=chat, remove=jpeg is None)

    async def blocked(self) -> Sequence[Address]:
        """See the port."""
        named = (
            parse_optional(str(one)) for one in (await self._request("blocked")).get("people") or ()
        )
        return [one for one in named if one is not None and one.is_person]

    async def block(self, person: Named, *, blocked: bool) -> Address | None:
        """See the port; the program reports each LID that the library learns."""
        await self._request("block", person=str(person.number or person.address), blocked=blocked)
        return None

    async def about(self, account: Address) -> str:
        """See the port."""
        return str((await self._request("about", person=str(account))).get("about", ""))

    async def set_about(self, about: str) -> None:
        """See the port."""
        await self._request("about_set", about=about)

    async def set_name(self, name: str) -> None:
        """See the port. It comes back as app state, with which the name is stored."""
        await self._link.post(
            "app_state_patch",
            time.time,
            within=NAME_CHANGE_SECONDS,
            at_ms=int(time.time() * 1000),
            **own_name(name),
        )

    async def _request(self, do: str, **values: Any) -> Mapping[str, Any]:
        return (await self._link.call(do, **values)).header
