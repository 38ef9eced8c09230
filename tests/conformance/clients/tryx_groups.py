"""Calls of tryx that manage groups, block lists and profiles, and its events about them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.clients import child
else:
    import child


_SETTINGS = {"announcement": "set_announce", "locked": "set_locked"}


def register(app: Any) -> None:
    """Prints the library's events about pictures and status texts; it takes no handler for changes of groups."""
    from tryx import events

    @app.on(events.EvPictureUpdate)
    async def on_picture(_: Any, event: Any) -> None:
        child.emit("picture", who=_named(event.data.jid), id=event.data.picture_id or "")

    @app.on(events.EvUserAboutUpdate)
    async def on_about(_: Any, event: Any) -> None:
        child.emit("about", who=_named(event.data.jid), text=event.data.status)


async def manage(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Does what a command says; returns what to report."""
    from tryx.client import CreateGroupOptions, GroupParticipantOptions

    what, groups = command["what"], client.groups
    if "group" in command:
        return await _change(groups, _jid(command["group"]), command)
    if what == "create":
        people = [GroupParticipantOptions(_jid(number)) for number in command["people"]]
        made = await groups.create_group(CreateGroupOptions(command["subject"], people))
        return _group(made.metadata)
    if what == "see":
        return _group(await groups.get_invite_info(command["link"].rpartition("/")[2]))
    if what == "join":
        joined = await groups.join_with_invite_code(command["link"].rpartition("/")[2])
        return {"joined": _named(joined.jid)}
    return await _profile(client, command)


async def _change(groups: Any, group: Any, command: dict[str, Any]) -> dict[str, Any]:
    what = command["what"]
    if what == "show":
        return _group(await groups.fetch_metadata(group))
    if what in _SETTINGS:
        await getattr(groups, _SETTINGS[what])(group, command["on"])
    elif what == "subject":
        await groups.set_subject(group, command["text"])
    elif what == "description":
        known = (await groups.fetch_metadata(group)).description_id
        await groups.set_description(group, command["text"], known)
    elif what == "link":
        return {"link": await groups.get_invite_link(group, command["renew"])}
    elif what == "accept":
        by, code = _jid(command["by"]), command["code"]
        await groups.join_with_invite_v4(group, code, command["expires"], by)
    elif what == "leave":
        await groups.leave(group)
    elif what == "picture":
        return {"id": await groups.set_profile_picture(group, base64.b64decode(command["data"]))}
    elif what == "waiting":
        return {"waiting": [one.jid.user for one in await groups.get_membership_requests(group)]}
    else:
        people = [_jid(number) for number in command["people"]]
        found = await getattr(groups, f"{what}_participants")(group, people)
        return {"errors": [one.error for one in found or () if one.error]}
    return {}


async def _profile(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    what = command["what"]
    if what in ("block", "unblock"):
        await getattr(client.blocking, what)(_jid(command["who"]))
    elif what == "about":
        await client.profile.set_status_text(command["text"])
    elif what == "own picture":
        return {"id": await client.profile.set_profile_picture(base64.b64decode(command["data"]))}
    elif what == "picture of":
        found = await client.contact.get_profile_picture(_jid(command["who"]), command["preview"])
        return {"id": found.id, "url": found.url}
    return {"blocked": [_named(one.jid) for one in await client.blocking.get_blocklist()]}


def _group(group: Any) -> dict[str, Any]:
    people = group.participants
    return {
        "group": _named(group.id),
        "subject": group.subject,
        "description": group.description or "",
        "announcement": group.is_announcement,
        "locked": group.is_locked,
        "members": sorted((one.phone_number or one.jid).user for one in people),
        "admins": sorted((one.phone_number or one.jid).user for one in people if one.is_admin),
    }


def _jid(to: str) -> Any:
    from tryx.types import JID

    user, _, server = to.partition("@")
    return JID(user, server or "s.whatsapp.net")


def _named(jid: Any) -> str:
    return f"{jid.user}@{jid.server}"
