"""Calls of neonize that manage groups, block lists and profiles, and its events about them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.clients import neonize_kinds
else:
    import neonize_kinds

_SETTINGS = {"announcement": "set_group_announce", "locked": "set_group_locked"}
_NAMES = {
    "Name": "subject",
    "Topic": "description",
    "Locked": "locked",
    "Announce": "announcement",
    "NewInviteLink": "link",
    "Promote": "promote",
    "Demote": "demote",
    "Join": "add",
    "Leave": "remove",
}


def changes(event: Any) -> dict[str, Any]:
    """Return the names of the changed settings (`what`), and the new `text`."""
    names = [_NAMES[field.name] for field, _ in event.ListFields() if field.name in _NAMES]
    return {"what": names, "text": event.Name.Name or event.Topic.Topic}


def manage(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    """Does what a command says; returns what to report."""
    what = command["what"]
    if "group" in command:
        return _change(client, neonize_kinds.address(command["group"]), command)
    if what == "create":
        people = [neonize_kinds.address(number) for number in command["people"]]
        return _group(client.create_group(command["subject"], people))
    if what == "see":
        return _group(client.get_group_info_from_link(command["link"]))
    if what == "join":
        joined = client.join_group_with_link(command["link"])
        return {"joined": f"{joined.User}@{joined.Server}"}
    return _profile(client, command)


def _change(client: Any, group: Any, command: dict[str, Any]) -> dict[str, Any]:
    from neonize.utils.enum import ParticipantChange

    what = command["what"]
    if what == "show":
        return _group(client.get_group_info(group))
    if what in _SETTINGS:
        getattr(client, _SETTINGS[what])(group, command["on"])
    elif what == "subject":
        client.set_group_name(group, command["text"])
    elif what == "description":
        client.set_group_topic(group, "", "", command["text"])
    elif what == "link":
        return {"link": client.get_group_invite_link(group, command["renew"])}
    elif what == "accept":
        by, code = neonize_kinds.address(command["by"]), command["code"]
        client.join_group_with_invite(group, by, code, command["expires"])
    elif what == "leave":
        client.leave_group(group)
    elif what == "picture":
        return {"id": client.set_group_photo(group, base64.b64decode(command["data"]))}
    elif what == "waiting":
        found = client.get_group_request_participants(group)
        return {"waiting": [one.Participant.User for one in found]}
    else:
        people = [neonize_kinds.address(number) for number in command["people"]]
        found = client.update_group_participants(group, people, ParticipantChange(what))
        return _people(found)
    return {}


def _profile(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    from neonize.proto.Neonize_pb2 import GetProfilePictureParams
    from neonize.utils.enum import BlocklistAction

    what = command["what"]
    if what in ("block", "unblock"):
        client.update_blocklist(neonize_kinds.address(command["who"]), BlocklistAction(what))
    elif what == "about":
        client.set_status_message(command["text"])
    elif what == "own picture":
        return {"id": client.set_profile_photo(base64.b64decode(command["data"]))}
    elif what == "picture of":
        asked = GetProfilePictureParams(Preview=command["preview"])
        found = client.get_profile_picture(neonize_kinds.address(command["who"]), asked)
        return {"id": found.ID, "url": found.URL}
    return {"blocked": [f"{one.User}@{one.Server}" for one in client.get_blocklist().JIDs]}


def _group(group: Any) -> dict[str, Any]:
    return {
        "group": f"{group.JID.User}@{group.JID.Server}",
        "subject": group.GroupName.Name,
        "description": group.GroupTopic.Topic,
        "announcement": group.GroupAnnounce.IsAnnounce,
        "locked": group.GroupLocked.isLocked,
        **_people(group.Participants),
    }


def _people(people: Any) -> dict[str, Any]:
    """Members and administrators by number, and the errors and private codes of others."""
    return {
        "members": sorted(one.PhoneNumber.User for one in people if not one.Error),
        "admins": sorted(one.PhoneNumber.User for one in people if one.IsAdmin and not one.Error),
        "errors": {one.PhoneNumber.User: one.Error for one in people if one.Error},
        "codes": {
            one.PhoneNumber.User: one.AddRequest.Code for one in people if one.AddRequest.Code
        },
    }
