"""Defines the result of handling a stanza: the answers to send and the work to do after the commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.protocol.wire_format.nodes import Node

Task = Literal[
    "resend",
    "prekeys",
    "roster",
    "file",
    "history",
    "placeholder",
    "privacy",
    "limits",
    "limit_query",
    "call",
]


@dataclass(frozen=True, slots=True)
class StanzaResult:
    """The consequences of a stanza once its transaction is committed.

    `answers` are sent, where there is a `held` only once the inbox item of that key is settled;
    `at_once` are sent before them and wait for nothing else; `news` says that the inbox may have
    grown; `moved` are pairs of keys, of an item that may have held answers and of the one in its place;
    `wanted` is a message whose resend was requested; `task` is work that needs WhatsApp's
    answers: a retry receipt, prekeys, a file, a history, a placeholder, other privacy settings, limits of
    the account to report or to query, a call to report, or who is in a group, without which the stanza cannot be judged. `counted`
    names what the stanza turned out to be.
    """

    counted: str
    answers: tuple[Node, ...] = ()
    at_once: tuple[Node, ...] = ()
    news: bool = False
    wanted: Node | None = None
    task: Task | None = None
    held: int | None = None
    moved: Sequence[tuple[int | None, int | None]] = ()
