"""Defines read marks, stars and chat changes (archive, pin, mute), which wait in the queue but are no messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from actors.messages.references import Target


@dataclass(frozen=True, slots=True)
class ReadMark:
    """A mark that the account read messages of a chat.

    `targets` with their authors; or without any, the messages that came until `until` by WhatsApp's times;
    or without that either, those that had arrived here by `arrived`. Both in seconds since the epoch.
    """

    type: ClassVar = "read_mark"
    targets: tuple[Target, ...] = ()
    until: float | None = None
    arrived: float | None = None


@dataclass(frozen=True, slots=True)
class ChatChange:
    """Settings of a chat that the account changes.

    None: that one stays. `muted_until` is in seconds since the epoch; without it a mute has no end.
    """

    type: ClassVar = "chat_change"
    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted: bool | None = None
    muted_until: float | None = None


@dataclass(frozen=True, slots=True)
class Star:
    """A message that the account stars for itself, on all its devices, or takes the star from."""

    type: ClassVar = "star"
    target: Target
    starred: bool


SettingChange = ChatChange | Star
"""Changes of the account's own settings, which its devices share as app state."""

Notice = ReadMark | SettingChange
NOTICES: Final = frozenset({str(kind.type) for kind in (ReadMark, ChatChange, Star)})
