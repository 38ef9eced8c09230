"""Keeps requested faults in memory, returns an account's active one at an ack, delivery or login; counts injections.

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

# Faults that are injected into open sockets once, at the request.
INSTANT: Final = (
    "drop",
    "abort",
    "stream_error",
    "stream_ack",
    "logout",
    "replaced",
    "unparsable",  # a malformed message is queued for each device
    "no_protobuf",  # a message of `contact` decrypts to bytes that are no protobuf
    "unknown_tag",  # a stanza has a tag that no client knows
    "unknown_enc",  # a message of `contact` has nothing but a kind of ciphertext that no device reads
    "extra_enc",  # … or has it beside one that the device reads
)
# Faults that are injected at a later event.
RULES: Final = (
    "withhold_acks",  # the server accepts a message and sends no ack
    "delay_acks",  # … or sends it `seconds` later
    "error_acks",  # the server refuses a message with `code`
    "refuse_until_login",  # the server refuses messages with `code` until a device of the account logs in
    "false_phash",  # an ack has a participant hash that fits no list of devices
    "omit_devices",  # a device list lacks `contact`, or of their devices `device`; without both all people
    "delay_queries",  # a query for devices or prekeys is answered `seconds` later
    "limit_queries",  # a query for devices, prekeys or groups is refused with `code`
    "swallow",  # the message is lost before the server: neither routed nor acknowledged
    "duplicate_acks",  # the ack is sent twice
    "duplicate",  # a message is delivered twice
    "reorder",  # `count` messages of contacts are held back, then delivered newest first
    "garble",  # a message, not of the own phone, has a ciphertext that no session decrypts
    "conceal",  # a stanza has one address of a person, without the other beside it
    "refuse_upload",  # the media servers refuse a file with `code`
    "refuse_prekeys",  # a query for the keys of devices is refused with `code`
    "refuse_link_code",  # a request to pair by a code is refused with `code`
    "expire_link_code",  # a pairing code is valid for `seconds` only
    "refuse_link_finish",  # the keys of the client after the entry of its code are refused with `code`
    "lose",  # a frame to the client is lost
    "corrupt",  # a frame to the client is altered
    "reject_login",  # <failure reason=…>, with `code` and `expire` where they are given
    "ban",  # sockets close; <failure reason="402"> with the remaining time, for `seconds`
    "freeze",  # sockets stay open and nothing moves, for `seconds` or until cleared
    "page_fails",  # the page with the current version is answered by `code`
    "page_silent",  # the page gets no answer
    "hold_files",  # the media servers send half of a file, and the rest after the end of the fault
)
FAULT_KINDS: Final = INSTANT + RULES
# Faults without an account, which affect all clients.
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
    "refuse_until_login": {"code": 400},
    "delay_queries": {"seconds": 1.0},
    "limit_queries": {"code": 429},
    "refuse_upload": {"code": 503},
    "refuse_prekeys": {"code": 503},
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
# Kinds whose `seconds` are not the duration of the rule.
TIMING: Final = ("delay_acks", "delay_queries", "expire_link_code")


class FaultError(ValueError):
    """The requested fault is invalid; the text has the reason."""


@dataclass
class Fault:
    """One fault. `left`: the remaining number of injections, None without a limit."""

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
        """Returns the fields of the fault that are given, for the control API."""
        return {
            name: value
            for name, value in vars(self).items()
            if value is not None and name != "ends_at"
        }

    @property
    def lasts(self) -> float | None:
        """The seconds after which a rule ends by itself; None without an end."""
        return self.seconds if self.kind in RULES and self.kind not in TIMING else None

    def left_at(self, now: float) -> int | None:
        """Returns the `expire` of a refused login: whole seconds until the end of a ban, at least 1.

        Without a ban: the requested value. `now` and `ends_at` are of the event loop's clock.
        """
        if self.kind != "ban" or self.ends_at is None:
            return self.expire
        return max(1, math.ceil(self.ends_at - now))


def requested(body: Any, fault_id: int) -> Fault:
    """Returns the fault of a request.

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
    if body["kind"] not in FAULT_KINDS:
        raise FaultError(f"kind must be one of {', '.join(FAULT_KINDS)}")
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
    """The requested faults of all accounts."""

    _rules: dict[str, list[Fault]] = field(default_factory=dict)
    _done: list[Fault] = field(default_factory=list)
    _next: int = 1

    def request(self, body: Any) -> Fault:
        """Adds the fault of a request; a rule is active from now on. Raises FaultError."""
        fault = requested(body, self._next)
        self._next += 1
        if fault.kind in RULES:
            self._rules.setdefault(fault.account, []).append(fault)
        else:
            self._done.append(fault)
        return fault

    def find(self, account: str, *kinds: str, device: int | None = None) -> Fault | None:
        """Returns the first active rule of these kinds, without counting an injection."""
        for fault in self._rules.get(account, ()):
            if fault.kind in kinds and (
                fault.device is None or device is None or fault.device == device
            ):
                return fault
        return None

    def strike(self, account: str, *kinds: str, device: int | None = None) -> Fault | None:
        """Returns the first active rule of these kinds, and counts an injection."""
        fault = self.find(account, *kinds, device=device)
        if fault is not None:
            self.struck(fault)
        return fault

    def struck(self, fault: Fault, times: int = 1) -> None:
        """Counts injections of a rule, which ends with the last one."""
        fault.struck += times
        if fault.left is not None:
            fault.left -= times
            if fault.left <= 0:
                self._end(fault)

    def frozen(self, account: str) -> bool:
        """Returns whether the account's sockets are frozen."""
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
        """Returns all faults with their injections (`struck`) and whether they are active.

        Only those of an account, or the one of an id, where it is given.
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
