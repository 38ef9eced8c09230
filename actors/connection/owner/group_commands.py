"""Executes the gateway's commands about groups by the engine's methods, and converts results to the answers in Redis."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.administration import GroupChange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.connection.abilities.administration import Administration

    Execute = Callable[[Administration, Mapping[str, Any]], Awaitable[dict[str, Any]]]


_LISTED: Final = ("chat", "subject", "members")
"""The fields of a group in a list."""


async def _groups(account: Administration, _: Mapping[str, Any]) -> dict[str, Any]:
    found = [asdict(one) for one in await account.groups.all()]
    return {"groups": [{name: one[name] for name in _LISTED} for one in found]}


async def _group(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(await account.groups.one(args["chat"]))


async def _create(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(await account.groups.create_group(args["subject"], args["participants"]))


async def _change(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    await account.groups.change_group(args["chat"], GroupChange(**args["change"]))
    return {}


async def _members(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = await account.groups.change_members(
        args["chat"], args["action"], args["participants"]
    )
    return {"participants": [asdict(one) for one in outcomes]}


async def _invite(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    return {"code": await account.groups.invite_code(args["chat"], revoke=args["revoke"])}


async def _invited(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(await account.groups.invited_group(args["code"]))


async def _join(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(await account.groups.join_group(args["code"]))


async def _leave(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    await account.groups.leave_group(args["chat"])
    return {}


COMMANDS: Final[Mapping[str, Execute]] = {
    "groups": _groups,
    "group": _group,
    "create_group": _create,
    "change_group": _change,
    "change_members": _members,
    "group_invite": _invite,
    "invited_group": _invited,
    "join_group": _join,
    "leave_group": _leave,
}
"""By the kind of the command. Each raises what the engine's method raises; none is executed twice."""
