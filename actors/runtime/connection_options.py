"""Defines the options of a connection (show_online, proxy, reject_calls) that change without a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Settings that take effect without a new owner."""

    show_online: bool = False
    """Whether the account is shown as online at all times, and its senders see that a message was delivered."""
    proxy: str | None = field(default=None, repr=False)
    """The URL of its own proxy to WhatsApp, with user and password in clear, as a webhook's secrets are; null where it uses that of the instance, if any."""
    reject_calls: bool = False
    """Whether calls that ring are refused."""
    reject_calls_text: str | None = field(default=None, repr=False)
    """The text that goes to each caller then."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Those in a document or a call; options that it lacks have their defaults."""
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})
