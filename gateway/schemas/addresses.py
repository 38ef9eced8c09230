"""Converts WhatsApp addresses, as callers write the addresses, to canonical form; rejects invalid ones (pure)."""

from __future__ import annotations

import re

PERSON = "s.whatsapp.net"

_CANONICAL = re.compile(r"([1-9][0-9]{6,14})@s\.whatsapp\.net", re.ASCII)
_WRITTEN = re.compile(r"\+?[0-9 ()-]+", re.ASCII)
_SEPARATORS = str.maketrans("", "", "+ ()-")
LID_PATTERN = r"[1-9][0-9]{5,19}@lid"
GROUP_PATTERN = r"[1-9][0-9]{4,19}(-[0-9]{5,19})?@g\.us"
_LID = re.compile(LID_PATTERN, re.ASCII)
_OTHER_SERVERS = ("@g.us", "@lid", "@broadcast", "@newsletter", "@c.us")
MAX_ADDRESS_CHARACTERS = 64


# The patterns of `number`, `canonical` and `person`, for readers of JSON Schema.
_APART = "[ ()-]{0,3}"  # so that no number is longer than `MAX_ADDRESS_CHARACTERS`
_NUMBER = rf"\+?{_APART}[1-9]({_APART}[0-9]){{6,14}}{_APART}"
NUMBER_PATTERN = f"^{_NUMBER}$"
PHONE_PATTERN = rf"^({_NUMBER}|[1-9][0-9]{{6,14}}@s\.whatsapp\.net)$"
PERSON_PATTERN = PHONE_PATTERN[:-2] + rf"|{LID_PATTERN})$"


class InvalidAddress(ValueError):
    """An address that cannot be used; the message never repeats it.

    `code` is ``invalid_number`` or ``unsupported_chat``.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


_NUMBER_FORM = re.compile(_NUMBER, re.ASCII)
_PLAIN = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_GROUP = re.compile(GROUP_PATTERN, re.ASCII)

# The pattern of `chat`, for readers of JSON Schema.
CHAT_PATTERN = PERSON_PATTERN[:-2] + rf"|{GROUP_PATTERN})$"


def chat(written: str) -> str:
    """The canonical address of a chat: a group's as it is, a person's as `person` gives it.

    Raises `InvalidAddress`.
    """
    if is_group(written):
        return written
    if written.endswith("@g.us"):
        raise InvalidAddress(
            "unsupported_chat",
            "write a group's whole address, as in 120363000000000001@g.us",
        )
    return person(written)


def is_group(written: str) -> bool:
    """Whether it is the whole address of a group."""
    return _GROUP.fullmatch(written) is not None


def person(written: str) -> str:
    """As `canonical`, or a LID (`90000000000002@lid`): a person whose number may not be known.

    Raises `InvalidAddress`.
    """
    return written if _LID.fullmatch(written) else canonical(written)


def canonical(written: str) -> str:
    """The canonical address of a person by phone number, `15550100002@s.whatsapp.net`.

    Takes an international number of 7 to 15 digits (E.164), optionally with a leading +, spaces,
    dashes and parentheses, or a canonical address. Raises `InvalidAddress` for anything else.
    """
    if _PLAIN.fullmatch(written):
        return f"{written}@{PERSON}"
    if _CANONICAL.fullmatch(written):
        return written
    if _LID.fullmatch(written):
        raise InvalidAddress(
            "unsupported_chat", "write a phone number, which a LID does not show, as in 15550100002"
        )
    if written.endswith(_OTHER_SERVERS):
        raise InvalidAddress(
            "unsupported_chat",
            "write a person's phone number, as in 15550100002",
        )
    return number(written)


def number(written: str) -> str:
    """As `canonical`, of a phone number alone."""
    if not _WRITTEN.fullmatch(written):
        raise InvalidAddress(
            "invalid_number",
            "write an international phone number as digits, with at most +, spaces, dashes and"
            " parentheses, as in 15550100002",
        )
    digits = written.translate(_SEPARATORS)
    if not 7 <= len(digits) <= 15:
        raise InvalidAddress(
            "invalid_number", "a phone number has 7 to 15 digits, as in 15550100002"
        )
    if digits[0] == "0":
        raise InvalidAddress(
            "invalid_number",
            "begin with the country code, without zeros before it, as in 15550100002",
        )
    if not _NUMBER_FORM.fullmatch(written):
        raise InvalidAddress(
            "invalid_number",
            "write at most three spaces, dashes and parentheses between digits, as in 15550100002",
        )
    return f"{digits}@{PERSON}"
