"""Converts mentions between the service's addresses and those of a group on the wire, in texts too (pure).

WhatsApp's clients show a mention where the text has `@` and the digits of the address that the message lists. In a group
that is addressed by LIDs these are not the digits of the phone number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.messages.content import EVERYBODY, MOST_MENTIONS, Worded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from actors.messages.content import Content, Mentions

_MENTION: Final = re.compile(r"@(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mentioned:
    """The addresses that a message lists, and by which digits its text has another address of theirs."""

    addresses: tuple[str, ...] = ()
    digits: Mapping[str, str] = field(default_factory=dict)

    def text(self, written: str) -> str:
        """The text with the digits of the listed addresses."""
        if not self.digits:
            return written
        return _MENTION.sub(lambda found: f"@{self.digits.get(found[1], found[1])}", written)


NOBODY: Final = Mentioned()


def of_content(content: Content) -> Mentions | None:
    """The people whom a message mentions; None for nobody."""
    return content.mentions if isinstance(content, Worded) else None


def people(mentions: Mentions | None) -> tuple[Address, ...]:
    """The people who are mentioned by address."""
    return () if mentions in {None, EVERYBODY} else tuple(map(Address.parse, mentions or ()))


def sent(
    mentions: Mentions | None,
    members: Mapping[Address, Address],
    canonical: Callable[[Address], Address],
) -> Mentioned:
    """The mentions of a message to a group; `members` are its addresses on the wire by the canonical ones.

    Raises `SendError` where somebody is not in the group.
    """
    if mentions is None:
        return NOBODY
    named = people(mentions) if mentions != EVERYBODY else tuple(members)
    listed: dict[Address, Address] = {}
    for given in named:
        member = members.get(canonical(given))
        if member is None:
            raise SendError("mention_not_in_group", permanent=True)
        listed |= {given: member, canonical(given): member}
    return _mentioned(listed)


def received(
    context: Any, canonical: Callable[[Address], Address]
) -> tuple[Mentions | None, Mentioned]:
    """The mentions in a `ContextInfo`, canonical; None for nobody. The second has their texts."""
    listed: dict[Address, Address] = {}
    for written in context.mentionedJid[:MOST_MENTIONS]:
        named = parse_optional(written)
        if named is not None and named.is_person:
            listed[named.canonical] = canonical(named)
    found = _mentioned(listed)
    if context.nonJidMentions:
        return EVERYBODY, found
    return found.addresses or None, found


def _mentioned(listed: Mapping[Address, Address]) -> Mentioned:
    return Mentioned(
        _once(map(str, listed.values())),
        {one.user: other.user for one, other in listed.items() if one.user != other.user},
    )


def _once(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))
