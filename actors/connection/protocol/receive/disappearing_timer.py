"""Reads the disappearing-message timer of a direct chat from the messages in it.

A person sets the timer by a protocol message (``EPHEMERAL_SETTING``); each message of such a chat repeats it in
its ``contextInfo``, mostly with the time at which it was set (Baileys, whatsmeow).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.connection.protocol.wire_format.nodes import parse, proto

if TYPE_CHECKING:
    from actors.connection.protocol.receive.wrappers import Received

MAX_TIMER_SECONDS: Final = 365 * 86_400
"""Seconds; WhatsApp's clients offer 90 days at most."""


class Setting(NamedTuple):
    """Messages disappear after `seconds`, since `set_at` (seconds since the epoch)."""

    seconds: int
    set_at: float


def of_protocol(plaintext: bytes, at: float) -> tuple[Setting, str | None] | None:
    """The timer that an unpadded plaintext sets, and the chat that a copy for own devices names.

    None for any other message. `at` is the message's time, which is also the latest at which it was set.
    Raises `MalformedMessage`.
    """
    message, destination = parse(proto.Message, plaintext), None
    if message.HasField("deviceSentMessage"):
        destination = message.deviceSentMessage.destinationJid
        message = message.deviceSentMessage.message
    if message.HasField("ephemeralMessage"):
        message = message.ephemeralMessage.message
    protocol = message.protocolMessage
    if protocol.type != proto.Message.ProtocolMessage.EPHEMERAL_SETTING:
        return None
    return _setting(
        protocol.ephemeralExpiration, protocol.ephemeralSettingTimestamp, at
    ), destination


def of_message(received: Received, at: float) -> Setting | None:
    """The timer of its chat as a message has it; None where it has none."""
    part = getattr(received.message, received.part)
    context: Any = getattr(part, "contextInfo", None)
    if context is None or not (context.expiration or context.ephemeralSettingTimestamp):
        return None
    return _setting(context.expiration, context.ephemeralSettingTimestamp, at)


def _setting(seconds: int, set_at: int, at: float) -> Setting:
    return Setting(min(seconds, MAX_TIMER_SECONDS), min(float(set_at), at) if set_at > 0 else at)
