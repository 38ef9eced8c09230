"""Defines the options of a connection (show_online, proxy, reject_calls) that change without a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Settings that take effect without a new owner.

    `show_online`: the account is shown as online, and its senders see that a message was delivered.
    `proxy`: the URL of the proxy to WhatsApp; None is the instance's, where there is one. It holds a
    secret. `reject_calls`: calls that ring are refused; `reject_calls_text` goes to each caller then.
    """

    show_online: bool = False
    proxy: str | None = field(default=None, repr=False)
    reject_calls: bool = False
    reject_calls_text: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Those in a document or a call; what an older release did not know has its default."""
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name in values})
