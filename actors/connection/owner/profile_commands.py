"""Executes the gateway's commands about pictures, blocks and the own profile by the engine; `command_handler` answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.connection.abilities.administration import Administration

    Execute = Callable[[Administration, Mapping[str, Any]], Awaitable[dict[str, Any]]]


async def _picture(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    found = await account.profiles.picture(args["chat"])
    return {"picture": None if found is None else asdict(found)}


async def _set_picture(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    await account.profiles.set_picture(args["chat"], args["sha256"])
    return {}


async def _blocked(account: Administration, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"people": list(await account.profiles.blocked())}


async def _block(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    await account.profiles.block(args["person"], blocked=args["blocked"])
    return {}


async def _profile(account: Administration, _: Mapping[str, Any]) -> dict[str, Any]:
    return asdict(await account.profiles.profile())


async def _change(account: Administration, args: Mapping[str, Any]) -> dict[str, Any]:
    """The name first: an engine that cannot change it changes nothing."""
    change = args["change"]
    if "name" in change:
        await account.profiles.set_name(change["name"])
    if "about" in change:
        await account.profiles.set_about(change["about"])
    if "picture" in change:
        await account.profiles.set_picture(None, change["picture"])
    return {}


COMMANDS: Final[Mapping[str, Execute]] = {
    "picture": _picture,
    "set_picture": _set_picture,
    "blocked": _blocked,
    "block": _block,
    "profile": _profile,
    "change_profile": _change,
}
"""By the kind of the command. Each raises what the engine's method raises."""
