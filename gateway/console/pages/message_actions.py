"""Serves forms of a message on the console's conversation pages by the API: react, pin, star, vote, delete, forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.console.page_app import PageMethod
from gateway.console.pages import conversations
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest


def _chosen(form: Mapping[str, str]) -> list[str]:
    """The options of a vote: one, or each by a field of its own; none takes the vote back."""
    if form.get("none"):
        return []
    return [value for name, value in form.items() if name.partition(".")[0] == "option"]


def _number(written: str) -> int | str:
    """The number that a field has; the API refuses any other text."""
    return int(written) if written.isdecimal() else written


CHANGE_FIELDS: Final[Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]]] = {
    "react": lambda form: {"type": "reaction", "emoji": form.get("emoji", "")},
    "pin": lambda form: {"type": "pin", "seconds": _number(form.get("seconds", ""))},
    "vote": lambda form: {"type": "poll_vote", "options": _chosen(form)},
    "delete": lambda _: {"type": "delete"},
}
"""The fields of the message that makes each change, by the form's fields."""


async def act(view: ConsoleRequest) -> Response:
    """Send the change that the path names, or forward the message."""
    form, action, chat = view.form, view.path["action"], view.path["chat"]
    message = form.get("message", "")
    if action == "forward":
        to = form.get("to", "").strip() or form.get("chat", "")
        request: dict[str, Any] = {
            "operation": "forwardMessage",
            "path": {"id": message},
            "body": {"connection": view.connection, "to": to},
        }
    elif action == "star":
        starred = "star" if form.get("starred") else "unstar"
        request = {"operation": f"{starred}Message", "path": {"id": message}}
    elif action in CHANGE_FIELDS:
        change = {"connection": view.connection, "to": chat, "message": message}
        request = {"operation": "sendMessage", "body": change | CHANGE_FIELDS[action](form)}
    else:
        raise Problem("not_found", "There is no such page.")
    taken = await conversations.accepted(view, **request)
    if not isinstance(taken, dict):
        return taken
    return view.to(conversations.address(view.path["connection"], chat))


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    f"{conversations.CONVERSATIONS_PATH}/{{connection}}/{{chat}}/{{action}}": {
        "POST": PageMethod(act)
    },
}
