"""Holds the requested faults of each account, and counts how often each was injected.

A fault either happens at once to the account's open sockets, or waits for its moment (an ack, a
delivery, a login) as a rule that applies `count` times, for `seconds`, or until it is cleared,
by the first of these. The rules of an account affect no other account. Each fault counts its
injections in `struck`: a fault that never fired proves nothing. Faults live in memory and end with
the process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.server.rules.properties import EVERYONE

# Strike open sockets once, at the moment they are asked for.
INSTANT: Final = (
    "drop",
    "abort",
    "stream_error",
    "stream_ack",
    "logout",
    "replaced",
    "unparsable",  # a message that cannot be parsed waits for each device
    "no_protobuf",  # a message of `contact`'s decrypts to what is none
    "unknown_tag",  # a stanza of a tag that no client knows
)
# Wait for their moment.
RULES: Final = (
    "withhold_acks",  # the server accepts a message and says nothing
    "delay_acks",  # … and says so `seconds` later
    "error_acks",  # the server refuses a message with `code`
    "swallow",  # the message is lost before the server: neither routed nor acknowledged
    "duplicate_acks",  # … or says it twice
    "duplicate",  # a message is delivered twice
    "reorder",  # `count` messages of contacts' are kept back, then delivered newest first
    "garble",  # a message, of others than the own phone, has a ciphertext that no session reads
    "conceal",  # a stanza names people by one address, without the other beside it
    "refuse_upload",  # the media servers refuse a file with `code`
    "refuse_link_code",  # a client that asks for a code to be linked by is refused with `code`
    "expire_link_code",  # … or its code is worth something for `seconds` only
    "refuse_link_finish",  # the keys that it sends once the code was typed are refused with `code`
    "lose",  # a frame to the client is lost on the way
    "corrupt",  # a frame to the client is altered on the way
    "reject_login",  # <failure reason=…>, with `code` and `expire` where they are given
    "ban",  # sockets close; <failure reason="402"> with the time that is left, for `seconds`
    "freeze",  # sockets stay open and nothing moves, for `seconds` or until cleared
    "page_fails",  # the page with the current version is answered by `code`
    "page_silent",  # … or not at all
    "hold_files",  # the media servers give half of a file, and the rest once this is over
)
KINDS: Final = INSTANT + RULES
# Of no account: they need none, and hold for everyone.
SERVER_WIDE: Final = ("page_fails", "page_silent", "hold_files")

_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "account": (str,),
    "kind": (str,),
    "device": (int,),
    "contact": (str,),
    "count": (int,),
    "seconds": (int, float),
    "code": (int,),
    "reason": (int,),
    "expire": (int,),
}
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "delay_acks": {"seconds": 1.0},
    "stream_error": {"code": 515},
    "error_acks": {"code": 500},
    "refuse_upload": {"code": 503},
    "refuse_link_code": {"code": 429},
    "expire_link_code": {"seconds": 0},
    "refuse_link_finish": {"code": 400},
    "reject_login": {"reason": 503},
    "lose": {"count": 1},
    "corrupt": {"count": 1},
    "garble": {"count": 1},
    "reorder": {"count": 2},
    "ban": {"seconds": 60, "code": 101, "reason": 402},
    "page_fails": {"code": 503},
}
# Their `seconds` are not how long the rule lasts.
TIMING: Final = ("delay_acks", "expire_link_code")


class FaultError(ValueError):
    """The requested fault is invalid; the text has the reason."""


@dataclass
class Fault:
    """One fault. `left` is how often it may still strike, None without a limit."""

    id: int
    account: str
    kind: str
    device: int | None = None
    contact: str | None = None
    left: int | None = None
    seconds: float | None = None
    code: int | None = None
    reason: int | None = None
    expire: int | None = None
    struck: int = 0
    ends_at: float | None = None

    def described(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None and name != "ends_at"
        }

    @property
    def lasts(self) -> float | None:
        """After how many seconds a rule ends by itself; None when it does not."""
        return self.seconds if self.kind in RULES and self.kind not in TIMING else None

    def left_at(self, now: float) -> int | None:
        """The `expire` of a refused login: whole seconds until a ban is over, at least 1.

        And what was asked for where there is no ban. `now` and `ends_at` are of the loop's clock.
        """
        if self.kind != "ban" or self.ends_at is None:
            return self.expire
        return max(1, math.ceil(self.ends_at - now))


def requested(body: Any, fault_id: int) -> Fault:
    """The fault that a request describes.

    Raises FaultError for an unknown field or kind, a wrong type, or a missing `account` where the
    fault is of one.
    """
    if not isinstance(body, dict):
        raise FaultError("the body must be an object")
    for name, value in body.items():
        _check(name, value)
    server_wide = body.get("kind") in SERVER_WIDE
    if "kind" not in body or not ("account" in body or server_wide):
        raise FaultError("account and kind are needed")
    if body["kind"] not in KINDS:
        raise FaultError(f"kind must be one of {', '.join(KINDS)}")
    if body.get("count", 1) < 1 or body.get("seconds", 0) < 0:
        raise FaultError("count and seconds must be positive")
    if body["kind"] == "reorder" and body.get("count", 2) < 2:
        raise FaultError("one message has no order: count must be 2 or more")
    values = {**_DEFAULTS.get(body["kind"], {}), **body}
    if server_wide:
        values["account"] = EVERYONE
    return Fault(id=fault_id, left=values.pop("count", None), **values)


def _check(name: str, value: Any) -> None:
    if name not in _FIELDS:
        raise FaultError(f"unknown field {name!r}")
    if isinstance(value, bool) or not isinstance(value, _FIELDS[name]):
        raise FaultError(f"{name} has the wrong type")


@dataclass
class Faults:
    """The rules in force."""

    _rules: dict[str, list[Fault]] = field(default_factory=dict)
    _done: list[Fault] = field(default_factory=list)
    _next: int = 1

    def request(self, body: Any) -> Fault:
        """Reads a request; a rule is in force from now on. Raises FaultError."""
        fault = requested(body, self._next)
        self._next += 1
        if fault.kind in RULES:
            self._rules.setdefault(fault.account, []).append(fault)
        else:
            self._done.append(fault)
        return fault

    def find(self, account: str, *kinds: str, device: int | None = None) -> Fault | None:
        """The first rule of these kinds that applies; it has not struck by being found."""
        for fault in self._rules.get(account, ()):
            if fault.kind in kinds and (
                fault.device is None or device is None or fault.device == device
            ):
                return fault
        return None

    def strike(self, account: str, *kinds: str, device: int | None = None) -> Fault | None:
        """The first rule of these kinds that applies, which has then struck once more."""
        fault = self.find(account, *kinds, device=device)
        if fault is not None:
            self.struck(fault)
        return fault

    def struck(self, fault: Fault, times: int = 1) -> None:
        """Counts that a rule struck so many times; with the last one it ends."""
        fault.struck += times
        if fault.left is not None:
            fault.left -= times
            if fault.left <= 0:
                self._end(fault)

    def frozen(self, account: str) -> bool:
        """Whether nothing moves on the account's sockets now."""
        return self.find(account, "freeze") is not None

    def clear(self, account: str | None = None, fault_id: int | None = None) -> list[Fault]:
        """Ends the rules of one account, one by its id, or all, and returns them."""
        ended = [rule for rule in self._in_force(account) if fault_id in (None, rule.id)]
        for rule in ended:
            self._end(rule)
        return ended

    def everything(
        self, account: str | None = None, fault_id: int | None = None
    ) -> list[dict[str, Any]]:
        """All faults so far with how often each struck; `active` tells the rules in force.

        Of one account, or one by its id, where it is named.
        """
        rules = self._in_force(account)
        active = {rule.id for rule in rules}
        done = [fault for fault in self._done if account in (None, fault.account)]
        return [
            {**fault.described(), "active": fault.id in active}
            for fault in sorted([*rules, *done], key=lambda one: one.id)
            if fault_id in (None, fault.id)
        ]

    def _in_force(self, account: str | None) -> list[Fault]:
        if account is not None:
            return list(self._rules.get(account, ()))
        return [rule for rules in self._rules.values() for rule in rules]

    def _end(self, fault: Fault) -> None:
        self._rules[fault.account].remove(fault)
        self._done.append(fault)
