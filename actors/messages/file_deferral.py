"""Defines the reasons why a received message's file waits before its download, with texts for people."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Deferral(StrEnum):
    """The bound that a file waits for; its value is `error` of the file in the API and `reason` in metrics."""

    DISK = "disk_reserve"
    """Room on the disk beyond DISK_RESERVE."""
    PART = "connection_part"
    """Room in the connection's part of the disk, or in the half that all share."""
    CONNECTION = "connection_budget"
    """The next day (UTC): MEDIA_DOWNLOADS_PER_CONNECTION is used up."""
    SENDER = "sender_budget"
    """The next day (UTC): MEDIA_DOWNLOADS_PER_SENDER is used up."""


FILE_DEFERRAL_TEXTS: Final[Mapping[str, str]] = {
    Deferral.DISK: "waits for room on the disk, and comes by itself",
    Deferral.PART: (
        "waits for room in the connection's part of the disk (MEDIA_LIMIT), and comes by itself"
    ),
    Deferral.CONNECTION: (
        "waits for tomorrow (UTC): the connection's files of today are all that"
        " MEDIA_DOWNLOADS_PER_CONNECTION allows"
    ),
    Deferral.SENDER: (
        "waits for tomorrow (UTC): this sender's files of today are all that"
        " MEDIA_DOWNLOADS_PER_SENDER allows"
    ),
}
"""The end of a sentence that begins with the file."""

FOR_ROOM: Final = frozenset({Deferral.DISK, Deferral.PART})
"""Reasons that end once there is room, on whatever day."""
