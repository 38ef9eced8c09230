"""Reads and changes pictures, blocks and own profile at WhatsApp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from actors.connection.abilities.administration import OwnProfile, Picture
from actors.connection.engine import SendError
from actors.connection.protocol.administration.group_administration import Named
from actors.connection.protocol.administration.refusals import (
    LIMITED,
    NOT_ALLOWED,
    OF_PEOPLE,
    OF_PICTURES,
)
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.media.picture_cache import CachedPicture
from actors.connection.protocol.request_errors import RequestFailed
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.protocol.administration.open_login import OpenLogin
    from actors.connection.protocol.media.picture_files import PictureFiles
    from actors.connection.protocol.media.transfers import FileTransfers

_NO_PICTURE, _TOO_MANY = 404, 429


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """WhatsApp's id of a picture, and the address that it is at for a while."""

    id: str
    url: str


class ProfileRequests(Protocol):
    """Sends requests about profiles. Each raises `ConnectionLost`, `RequestFailed` or `RequestTimeout`, and repeats nothing."""

    async def picture(self, chat: Address) -> FoundPicture:
        """The picture of a person or group; 404 where there is none, 401 where it is hidden."""

    async def set_picture(self, group: Address | None, jpeg: bytes | None) -> None:
        """Set, or with None remove, the picture of a group, or the account's own."""

    async def blocked(self) -> Sequence[Address]:
        """The people whom the account blocks."""

    async def block(self, person: Named, *, blocked: bool) -> Address | None:
        """Block a person, or end that; the LID, where it had to be asked for. 404 where nobody is there."""

    async def about(self, account: Address) -> str:
        """The account's text."""

    async def set_about(self, about: str) -> None:
        """Change the account's text."""

    async def set_name(self, name: str) -> None:
        """Change the account's name; raises `SendError`, also where the engine cannot."""


class ProfileAdministration:
    """Implements `abilities.administration.ProfileAbilities` over one login, by an engine's requests."""

    def __init__(
        self, login: OpenLogin, requests: ProfileRequests, files: FileTransfers | None
    ) -> None:
        """Without `files` no picture is fetched or set."""
        self._login, self._people, self._requests = login, login.people, requests
        self._files = None if files is None else files.pictures
        self._turns = KeyedSemaphores[Address](1)

    async def picture(self, chat: str) -> Picture | None:
        """See the port."""
        files, address = self._pictures(), self._chat(chat)
        async with self._turns.of(address):
            cached = files.cache.find(address)
            if cached is not None and not await self._is_there(files, cached.picture):
                cached = None
            if cached is None or not files.cache.is_fresh(cached):
                cached = await self._requested(files, address, cached)
            if cached.hidden:
                raise SendError(NOT_ALLOWED, permanent=True)
            return cached.picture

    async def _requested(
        self, files: PictureFiles, address: Address, earlier: CachedPicture | None
    ) -> CachedPicture:
        """WhatsApp's answer; the `earlier` one where it may not be asked as often. One that is hidden is remembered too."""
        changes = files.cache.changes
        picture, hidden = None, False
        try:
            with self._login.request_errors(OF_PICTURES):
                found = await self._find(files, address)
        except SendError as refused:
            if refused.code == LIMITED:
                if earlier is not None:
                    return earlier
                raise SendError(LIMITED, permanent=True, wait=files.cache.wait) from None
            if refused.code != NOT_ALLOWED:
                raise
            hidden = True
        else:
            there = None if earlier is None else earlier.picture
            picture = await self._fetched(files, found, there)
        if files.cache.changes == changes:
            return files.cache.note(address, picture, hidden=hidden)
        return CachedPicture(0.0, picture, hidden)

    async def set_picture(self, chat: str | None, sha256: str | None) -> None:
        """See the port."""
        group = None if chat is None else self._group(chat)
        jpeg = None if sha256 is None else await self._pictures().read(sha256)
        with self._login.request_errors(OF_PICTURES):
            await self._login.require_owner()
            await self._requests.set_picture(group, jpeg)
        if self._files is not None:
            self._files.cache.forget(self._people.account if group is None else group)

    async def blocked(self) -> Sequence[str]:
        """See the port."""
        with self._login.request_errors(OF_PEOPLE):
            found = await self._requests.blocked()
        return sorted({str(self._people.canonical(each)) for each in found})

    async def block(self, person: str, *, blocked: bool) -> None:
        """See the port."""
        address = self._chat(person)
        if not address.is_person:
            raise SendError("unsupported_chat", permanent=True)
        lid, number = (self._people.named(address, kind) for kind in ("lid", "number"))
        named = Named(lid, number if number.server != lid.server else None)
        with self._login.request_errors(OF_PEOPLE):
            await self._login.require_owner()
            found = await self._requests.block(named, blocked=blocked)
            if found is not None:
                await self._login.learn(found, number)

    async def profile(self) -> OwnProfile:
        """See the port."""
        account = self._people.account
        with self._login.request_errors(OF_PEOPLE):
            about = await self._requests.about(account)
        return OwnProfile(self._login.session.push_names.find(str(account)), about)

    async def set_name(self, name: str) -> None:
        """See the port."""
        with self._login.request_errors(OF_PEOPLE):
            await self._login.require_owner()
            await self._requests.set_name(name)

    async def set_about(self, about: str) -> None:
        """See the port."""
        with self._login.request_errors(OF_PEOPLE):
            await self._login.require_owner()
            await self._requests.set_about(about)

    async def _find(self, files: PictureFiles, address: Address) -> FoundPicture | None:
        if not files.cache.take_request():
            raise SendError(LIMITED, permanent=True)
        try:
            return await self._requests.picture(address)
        except RequestFailed as failed:
            if failed.code == _TOO_MANY:
                files.cache.pause()
            if failed.code != _NO_PICTURE:
                raise
            return None

    @staticmethod
    async def _fetched(
        files: PictureFiles, found: FoundPicture | None, earlier: Picture | None
    ) -> Picture | None:
        """The picture in the store: fetched, unless it is the `earlier` one, which is there."""
        if found is None:
            return None
        if earlier is not None and earlier.id == found.id:
            return earlier
        return Picture(found.id, *await files.fetch(found.url))

    @staticmethod
    async def _is_there(files: PictureFiles, picture: Picture | None) -> bool:
        return picture is None or await files.is_there(picture.sha256)

    def _pictures(self) -> PictureFiles:
        if self._files is None:
            raise SendError("media_unavailable", permanent=True)
        return self._files

    def _chat(self, chat: str) -> Address:
        address = parse_optional(chat)
        if address is None or not (address.is_person or address.server == GROUP):
            raise SendError("unsupported_chat", permanent=True)
        return self._people.canonical(address) if address.is_person else address

    @staticmethod
    def _group(chat: str) -> Address:
        address = parse_optional(chat)
        if address is None or address.server != GROUP:
            raise SendError("unknown_group", permanent=True)
        return address
