"""Stores pictures of people and groups in SQLite, answers queries that read and set them, and notifies of changes.

Shapes after whatsmeow `user.go` (GetProfilePictureInfo), `group.go` (SetGroupPhoto), `notification.go`
(handlePictureNotification) and whatsapp-rust `wacore/src/iq/contacts.rs`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.server.groups.group import NoGroupError
from simulator.server.query_errors import QueryError
from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import GROUP_SERVER, Node, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.management import GroupManagement
    from simulator.server.notifications import Notifications
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

FOLDER: Final = "/v/t61.24694-24/"
"""Where the media servers have pictures."""
MAX_PICTURE: Final = 1 << 19
_JPEG: Final = b"\xff\xd8\xff"
_SIZES: Final = {"image": "n", "preview": "p"}


@dataclass(frozen=True)
class Picture:
    """A picture. `name` is its file without the size; a client may set a preview, else that is the image itself."""

    id: str
    name: str
    author: str
    image: bytes
    preview: bytes


class PictureStore:
    """Pictures by owner, a number or the address of a group."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, owner: str) -> Picture | None:
        """Returns the picture of a person or group; None for none."""
        return _picture(self._store.row("SELECT * FROM pictures WHERE owner = ?", owner))

    def file(self, name: str) -> bytes | None:
        """Returns the file of a name in an address, None where no picture has it any more."""
        stem, _, size = name.removesuffix(".jpg").rpartition("_")
        found = _picture(self._store.row("SELECT * FROM pictures WHERE name = ?", stem))
        if found is None or size not in _SIZES.values():
            return None
        return found.image if size == _SIZES["image"] else found.preview

    def replace(self, owner: str, author: str, image: bytes, preview: bytes) -> Picture:
        """Stores another picture, under a new id. Raises QueryError for data that is no JPEG, or too large."""
        for data in (image, preview):
            if not data.startswith(_JPEG) or len(data) > MAX_PICTURE:
                raise QueryError(406, "not-acceptable")
        before = self.of(owner)
        id_ = max(int(time.time()), 0 if before is None else int(before.id) + 1)
        self._store.execute(
            "INSERT OR REPLACE INTO pictures (owner, id, name, author, image, preview)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            owner,
            str(id_),
            f"{id_}_{secrets.randbelow(10**15):015}",
            author,
            image,
            preview,
        )
        made = self.of(owner)
        assert made is not None
        return made

    def remove(self, owner: str) -> bool:
        """Removes the picture; returns whether there was one."""
        return bool(self._store.execute("DELETE FROM pictures WHERE owner = ?", owner).rowcount)


class Pictures:
    """Answers queries and notifies. Changes run inside their callers' transactions."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        properties: Properties,
        companions: Companions,
        groups: Groups,
        group_management: GroupManagement,
        media: MediaStore,
        notifications: Notifications,
        switchboard: StanzaRouter,
    ) -> None:
        self._kept = PictureStore(store)
        self._people = people
        self._properties = properties
        self._companions = companions
        self._groups = groups
        self._management = group_management
        self._media = media
        self._notifications = notifications
        self._switchboard = switchboard

    def id(self, owner: str) -> str | None:
        """Returns the id of the picture of a number or a group, None without one."""
        found = self._kept.of(owner)
        return None if found is None else found.id

    def change_own(self, number: str, image: bytes | None, preview: bytes = b"") -> str | None:
        """Replaces or removes a person's picture, and notifies accounts that know the person and the own devices.

        Returns the id of the new one. Raises QueryError for data that is no picture.
        """
        change, id_ = self._change(number, number, image, preview)
        if change is not None:
            self._notifications.profile(number, "picture", change, jid=True)
        return id_

    def change_groups(
        self, group: Group, by: str, image: bytes | None, preview: bytes = b""
    ) -> str | None:
        """Replaces or removes a group's picture, and notifies its members; as `change_own`, and 401 without the right."""
        self._management.info.require_right(group, by)
        change, id_ = self._change(group.chat, by, image, preview)
        if change is not None:
            change.attrs["jid"] = group.address
            change.attrs["author"] = self._people.named(by).address(group.server)
            for number in group.members:
                for companion in self._companions.of(number):
                    attrs = {
                        "from": group.address,
                        "type": "picture",
                        "id": secrets.token_hex(8),
                        "t": int(time.time()),
                    }
                    self._switchboard.deliver(companion.key, Node("notification", attrs, [change]))
        return id_

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """Answers a query of `w:profile:picture` about a person, a group, or the account itself. Raises QueryError."""
        target, number = jid_of(query, "target"), companion.number
        group = self._group(target)
        if text_of(query, "type") != "set":
            return self._read(query.get_child("picture"), target, group, number)
        sizes = {
            text_of(one, "type") or "image": one.content_bytes()
            for one in query.get_children()
            if one.tag == "picture"
        }
        image, preview = sizes.get("image") or None, sizes.get("preview", b"")
        if group is not None:
            id_ = self.change_groups(group, number, image, preview)
        else:
            person = self._people.named(number) if target is None else self._people.at(target)
            if person is None or person.number != number:
                raise QueryError(403, "forbidden")
            id_ = self.change_own(number, image, preview)
        return [] if id_ is None else [Node("picture", {"id": id_})]

    def _read(self, query: Any, target: Any, group: Group | None, number: str) -> list[Any]:
        if query is None:
            raise QueryError(400, "bad-request")
        if group is None:
            person = self._people.named(number) if target is None else self._people.at(target)
            if person is None:
                raise QueryError(404, "item-not-found")
            owner = person.number
            shows = self._properties.value(owner, "picture_shown", CONTACT)
            if owner != number and shows == "none":
                raise QueryError(401, "not-authorized")
        else:
            owner = group.chat
            if number not in group.members:
                invited = self._management.invites.find(text_of(query, "invite"))
                if invited is None or invited.group_id != group.id:
                    raise QueryError(401, "not-authorized")
        found = self._kept.of(owner)
        if found is None:
            raise QueryError(404, "item-not-found")
        if text_of(query, "id") == found.id:
            return []
        size = text_of(query, "type") or "image"
        if size not in _SIZES:
            raise QueryError(400, "bad-request")
        return [self._shown(found, size, inline=text_of(query, "query") != "url")]

    def _shown(self, picture: Picture, size: str, *, inline: bool) -> Any:
        data = picture.image if size == "image" else picture.preview
        attrs = {"id": picture.id, "type": size}
        if inline:
            return Node("picture", attrs, data)
        path = f"{FOLDER}{picture.name}_{_SIZES[size]}.jpg?ccb=11-4&_nc_sid=5e03e0"
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        address = {"url": f"https://{self._media.host}{path}", "direct_path": path, "hash": digest}
        return Node("picture", attrs | address)

    def _change(
        self, owner: str, author: str, image: bytes | None, preview: bytes
    ) -> tuple[Any, str | None]:
        """Returns the node of the change, None where nothing changed, and the id of the new picture."""
        if image is None:
            return (Node("delete") if self._kept.remove(owner) else None), None
        made = self._kept.replace(owner, author, image, preview or image)
        return Node("set", {"id": made.id}), made.id

    def _group(self, target: Any) -> Group | None:
        if target is None or target.server != GROUP_SERVER:
            return None
        try:
            return self._groups.named(target.user)
        except NoGroupError as error:
            raise QueryError(404, "item-not-found") from error


def _picture(row: Any) -> Picture | None:
    if row is None:
        return None
    return Picture(
        row["id"], row["name"], row["author"], bytes(row["image"]), bytes(row["preview"])
    )
