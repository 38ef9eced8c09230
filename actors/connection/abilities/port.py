"""Declares WhatsApp engines' methods beside messages: passkeys, resends, app state, chat changes, calls, proxy."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.abilities.administration import Administration
    from actors.connection.proxy.address import ProxyAddress
    from actors.messages.content import SettingChange


@dataclass(frozen=True, slots=True)
class Passkey:
    """The step that linking by passkey waits for, and until when (seconds since the epoch).

    `text` is a JSON object. ``{"options": …}`` has the options of a WebAuthn request, whose assertion
    `Account.passkey_assertion` takes. ``{"code": …}`` has the code that the phone shows too, before
    `Account.confirm_passkey`. It holds a secret.
    """

    text: str = field(repr=False)
    expires_at: float

    @classmethod
    def challenge(cls, options: Mapping[str, Any], expires_at: float) -> Passkey:
        """An assertion is waited for; WhatsApp gives ten minutes.

        Fields of `options` that are null or empty are left out: a browser parses no null in place of a list.
        """
        return cls(json.dumps({"options": _filled(options)}), expires_at)

    @classmethod
    def confirmation(cls, code: str, expires_at: float) -> Passkey:
        """A person has to compare the code with that on the phone: the assertion came late."""
        return cls(json.dumps({"code": code}), expires_at)


def _filled(value: Any) -> Any:
    """The JSON value without members that are null or an empty text."""
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items() if each not in (None, "")}
    return [_filled(each) for each in value] if isinstance(value, list) else value


NO_PASSKEY: Final = Passkey("", 0.0)
"""Nothing of the kind is waited for any more."""


LONGEST_CALL_ID: Final = 64
"""Characters of a call's id; a call with more is not reported."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that came in, by its `id`; `caller` is a canonical address, `at` WhatsApp's time.

    `state` says whether it rings, or is over. `group` is the chat of a group call. `sender_name` and
    `sender_lid` are the caller's, as in `engine.InboxMessage`.
    """

    id: str
    caller: str = field(repr=False)
    at: int
    state: Literal["offered", "ended"]
    video: bool = False
    group: str | None = field(default=None, repr=False)
    sender_name: str | None = field(default=None, repr=False)
    sender_lid: str | None = field(default=None, repr=False)


class Account(Protocol):
    """Abilities beside messages. Each raises `SendError`."""

    def extend(self, seconds: float) -> None:
        """The owner's lease lasts so long from now: nothing leaves after it, whatever hangs (G6)."""

    async def passkey_assertion(self, assertion: str) -> None:
        """Answer the challenge with an assertion, WebAuthn's JSON (``PublicKeyCredential.toJSON``).

        Refused with `no_passkey_challenge` where none is open, `passkey_refused` by WhatsApp.
        """

    async def confirm_passkey(self) -> None:
        """Say that the phone shows the same code. Refused with `no_passkey_challenge`."""

    async def request_resend(self, chat: str, sender: str, message_id: str) -> None:
        """Ask the account's phone for a message that came without its content.

        It arrives as a resend under the same id, and replaces its placeholder.
        """

    async def sync_app_state(self) -> None:
        """Ask WhatsApp for the account's state anew: names of contacts, mutes, pins, labels."""

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:
        """Change settings of a chat, or star a message of it, `at` seconds since the epoch; returns once WhatsApp has them all.

        May be repeated, also where part of it was done. The result comes back as app
        state. Raises as `Engine.send` too.
        """

    async def reject_call(self, call: str) -> None:
        """Refuse a call that rings, by its id. Refused with `unknown_call` where it does not."""

    @property
    def administration(self) -> Administration:
        """Lists and changes groups over the socket that is open. Raises `NotConnected` where none is."""

    async def use_proxy(self, proxy: ProxyAddress | None) -> None:
        """Go to WhatsApp through this proxy alone; None directly.

        It counts for the socket, files and whatever else the engine asks of WhatsApp's hosts, also while
        no socket is open. A socket on another way ends as ``restart_required``; where the proxy lets nothing
        through, `run` ends as ``proxy_unreachable``, ``proxy_authentication_failed`` or ``proxy_refused``,
        and as ``proxy_private_address`` where it has an address that it may not have.
        """
