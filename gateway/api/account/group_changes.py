"""Serves API routes that create, change, join and leave groups; the connection's process does it at WhatsApp.

A request is passed on once. Where its answer is lost it may have been done: `not_answered`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from starlette.responses import Response

from gateway.api.account.groups import group_in_path
from gateway.api.lookups import REFUSES, canonical, request_owner
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import addresses
from gateway.schemas.people import group_changes as models
from gateway.schemas.people.group_changes import MOST_PARTICIPANTS
from gateway.schemas.people.groups import OfGroup

if TYPE_CHECKING:
    from actors.connection.abilities.administration import MemberAction

_CODE: Final = re.compile(models.INVITE_CODE_PATTERN, re.ASCII)


async def _create(call: ApiRequest[models.NewGroup, None]) -> Response:
    registered, body = await resolve(call, call.body.connection), call.body
    args = {"subject": body.subject, "participants": _each_once(body.participants)}
    answer = await request_owner(call, registered, "create_group", args)
    made = models.CreatedGroup(
        chat=answer["chat"], subject=answer["subject"], participants=models.outcomes(answer)
    )
    where = f"/api/groups/{made.chat}?connection={registered.name}"
    return written(made, 201, Location=where)


async def _change(call: ApiRequest[models.GroupChange, OfGroup]) -> Response:
    wanted = call.body.model_dump(exclude_none=True)
    group_in_path(call)
    if not wanted:
        raise Problem("missing_field", 'Name a setting to change, as in {"subject": "Chess club"}.')
    if "ephemeral_seconds" in wanted:
        wanted["ephemeral"] = wanted.pop("ephemeral_seconds")
    await _request(call, "change_group", change=wanted)
    return Response(status_code=204)


async def _add(call: ApiRequest[models.Members, OfGroup]) -> Response:
    return await _members(call, "add", call.body.participants)


async def _promote(call: ApiRequest[models.Members, OfGroup]) -> Response:
    return await _members(call, "promote", call.body.participants)


async def _remove(call: ApiRequest[None, models.FormerMembers]) -> Response:
    return await _members(call, "remove", _listed(call.query.participants))


async def _demote(call: ApiRequest[None, models.FormerMembers]) -> Response:
    return await _members(call, "demote", _listed(call.query.participants))


async def _invite(call: ApiRequest[None, OfGroup]) -> Response:
    answer = await _request(call, "group_invite", revoke=False)
    return written(models.invite(answer["code"]))


async def _revoke(call: ApiRequest[None, OfGroup]) -> Response:
    answer = await _request(call, "group_invite", revoke=True)
    return written(models.invite(answer["code"]))


async def _preview(call: ApiRequest[None, models.OfInvitation]) -> Response:
    code = call.path["code"]
    if _CODE.fullmatch(code) is None:
        raise Problem("unknown_invite")
    answer = await request_owner(
        call, await resolve(call, call.query.connection), "invited_group", {"code": code}
    )
    return written(models.InvitedGroup.model_validate(answer))


async def _join(call: ApiRequest[models.Invitation, None]) -> Response:
    registered = await resolve(call, call.body.connection)
    answer = await request_owner(call, registered, "join_group", {"code": call.body.code})
    return written(models.JoinedGroup.model_validate(answer))


async def _leave(call: ApiRequest[None, OfGroup]) -> Response:
    await _request(call, "leave_group")
    return Response(status_code=204)


async def _members(call: ApiRequest[Any, Any], action: MemberAction, people: list[str]) -> Response:
    answer = await _request(call, "change_members", action=action, participants=_each_once(people))
    return written(models.Outcomes(participants=models.outcomes(answer)))


async def _request(call: ApiRequest[Any, Any], kind: str, **args: Any) -> dict[str, Any]:
    """The owner's answer to a command about the group in the path."""
    chat = group_in_path(call)
    registered = await resolve(call, call.query.connection)
    return await request_owner(call, registered, kind, {"chat": chat, **args})


def _listed(given: str) -> list[str]:
    people = given.split(",")
    if len(people) > MOST_PARTICIPANTS:
        raise Problem("invalid_parameter", f"Name {MOST_PARTICIPANTS} people at most.")
    return [canonical(each, addresses.person) for each in people]


def _each_once(people: list[str]) -> list[str]:
    return list(dict.fromkeys(people))


_REFUSED: Final = ("not_allowed", "whatsapp_refused", "whatsapp_limited")
_INVITES: Final = (*_REFUSED, "unknown_invite", "invite_revoked", "group_full")
_OUTCOMES: Final = {200: Gives("The outcome for each person.", models.Outcomes)}


def _of_group(
    method: Literal["GET", "PATCH", "POST", "DELETE"],
    part: str,
    id: str,  # noqa: A002 - the field's word
    summary: str,
    handler: Any,
    *,
    gives: dict[int, Gives],
    **more: Any,
) -> Operation:
    return Operation(
        method,
        f"/api/groups/{{group}}{part}",
        id,
        summary,
        "account",
        handler,
        gives,
        "send",
        query=more.pop("query", OfGroup),
        waits=method == "GET",
        refuses=(
            *(*REFUSES, *_REFUSED, "unknown_connection", "unknown_group", "unsupported_chat"),
            *(("invalid_number",) if part in {"/participants", "/admins"} else ()),
        ),
        **more,
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/groups",
        "createGroup",
        "Create a group",
        "account",
        _create,
        {
            201: Gives(
                "Created, with the outcome for each person.",
                models.CreatedGroup,
                headers={"Location": "Where it is."},
            )
        },
        "send",
        body=models.NewGroup,
        refuses=(
            *(*REFUSES, *_REFUSED, "unknown_connection", "group_full"),
            *("invalid_number", "unsupported_chat"),
        ),
    ),
    Operation(
        "POST",
        "/api/groups/join",
        "joinGroup",
        "Join the group of an invitation",
        "account",
        _join,
        {200: Gives("The account is in it, or asked to be.", models.JoinedGroup)},
        "send",
        body=models.Invitation,
        own_path=True,
        refuses=(*REFUSES, *_INVITES, "unknown_connection", "unknown_group"),
    ),
    Operation(
        "GET",
        "/api/groups/invites/{code}",
        "previewInvite",
        "The group of an invitation",
        "account",
        _preview,
        {200: Gives("The group.", models.InvitedGroup)},
        "send",
        waits=True,
        query=models.OfInvitation,
        refuses=(*REFUSES, *_INVITES, "unknown_connection", "unknown_group"),
    ),
    _of_group(
        "PATCH",
        "",
        "changeGroup",
        "Change settings of a group",
        _change,
        gives={204: Gives("WhatsApp has them.")},
        body=models.GroupChange,
    ),
    _of_group("DELETE", "", "leaveGroup", "Leave a group", _leave, gives={204: Gives("Left.")}),
    _of_group(
        "POST",
        "/participants",
        "addMembers",
        "Add members to a group",
        _add,
        gives=_OUTCOMES,
        body=models.Members,
    ),
    _of_group(
        "DELETE",
        "/participants",
        "removeMembers",
        "Remove members from a group",
        _remove,
        gives=_OUTCOMES,
        query=models.FormerMembers,
    ),
    _of_group(
        "POST",
        "/admins",
        "promoteMembers",
        "Make members of a group admins",
        _promote,
        gives=_OUTCOMES,
        body=models.Members,
    ),
    _of_group(
        "DELETE",
        "/admins",
        "demoteMembers",
        "Make admins of a group plain members",
        _demote,
        gives=_OUTCOMES,
        query=models.FormerMembers,
    ),
    _of_group(
        "GET",
        "/invite",
        "getInvite",
        "The invitation to a group",
        _invite,
        gives={200: Gives("The invitation.", models.Invite)},
    ),
    _of_group(
        "DELETE",
        "/invite",
        "revokeInvite",
        "Void the invitation to a group; it gets another one",
        _revoke,
        gives={200: Gives("The new invitation.", models.Invite)},
    ),
)
