"""Judges each token: lost, duplicated, reordered, or delivered in order.

Its sources are the simulator (messages that a contact decrypted) and the service's API, nothing else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.harness.traffic import Lane, Load
    from tests.processes.instance import Instance


@dataclass(frozen=True)
class Arrival:
    """One message id under which a token arrived: its place in the list, when, and how often."""

    id: str
    place: int
    at: float
    deliveries: int


@dataclass
class Fate:
    """A token that was given, and every id under which it arrived, in order of arrival."""

    token: str
    lane: Lane
    given_at: float
    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def arrived_at(self) -> float | None:
        return self.arrivals[0].at if self.arrivals else None


@dataclass(frozen=True)
class Violation:
    """A promise that did not hold: what, where, and when it happened as far as is known."""

    kind: str
    what: str
    connection: str | None
    at: float


@dataclass
class Verdict:
    """Counts over all lanes; `in_flight` are those accepted before the kill and settled after."""

    sent: int = 0
    received: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    repeated_deliveries: int = 0

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.received} received, {self.in_flight} in flight at the kill, "
            f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.reordered)} reordered, {self.repeated_deliveries} ids delivered again"
        )

    def require_clean(self) -> None:
        assert not self.lost, f"lost: {self.lost[:10]} of {len(self.lost)}"
        assert not self.duplicated, f"duplicated: {self.duplicated[:10]}"
        assert not self.reordered, f"reordered: {self.reordered[:10]}"


def judge(traffic: Load, killed_at: float, *, seconds: float = 60) -> Verdict:
    """Wait until every token has arrived, or none did for `seconds`, then count."""
    return verdict(settled(traffic, seconds=seconds), killed_at)


def verdict(fates: list[Fate], killed_at: float) -> Verdict:
    """The counts of what was given, and what of it was on its way at that time; pure."""
    found = Verdict()
    for fate in fates:
        found.sent += fate.lane.direction == "out"
        found.received += fate.lane.direction == "in"
        found.in_flight += fate.given_at < killed_at < (fate.arrived_at or 0.0)
        found.repeated_deliveries += any(one.deliveries > 1 for one in fate.arrivals)
    broken = violations(fates)
    for kind, tokens in (
        ("lost", found.lost),
        ("duplicated", found.duplicated),
        ("reordered", found.reordered),
    ):
        tokens += [one.what for one in broken if one.kind == kind]
    return found


def violations(fates: list[Fate], dead: dict[str, bool] | None = None) -> list[Violation]:
    """Each token that is lost, or there twice, or late in its lane; pure.

    `dead` has the dead letters' tokens, and whether they are `uncertain`. One that is dead is not
    lost, and one that is dead and delivered has to be uncertain (G3).
    """
    found = []
    dead = dead or {}

    def tell(kind: str, fate: Fate, at: float, why: str = "") -> None:
        connection = fate.lane.party.connection
        found.append(Violation(kind, f"{fate.token}{why}", connection, at))

    lanes: dict[int, list[Fate]] = {}
    for fate in fates:
        if not fate.arrivals and fate.token not in dead:
            tell("lost", fate, fate.given_at)
        if len(fate.arrivals) > 1:
            tell("duplicated", fate, fate.arrivals[1].at)
        if fate.arrivals and dead.get(fate.token) is False:
            tell("both", fate, fate.arrivals[0].at, " is delivered, and dead without a doubt")
        if fate.arrivals:
            lanes.setdefault(id(fate.lane), []).append(fate)
    for fellows in lanes.values():
        given = {fate.token: number for number, fate in enumerate(fellows)}
        for early, late in pairwise(sorted(fellows, key=lambda fate: fate.arrivals[0].place)):
            if given[late.token] < given[early.token]:
                tell("reordered", late, late.arrivals[0].at, f" after {early.token}")
    return found


def settled(load: Load, *, seconds: float = 60, dead: Callable[[], set[str]] = set) -> list[Fate]:
    """The fates of all tokens, once each has arrived or is `dead`, or none did for `seconds`."""
    missing = {
        id(lane): (lane, {token for token, _ in lane.tokens})
        for lane in (*load.out, *load.incoming)
    }
    since = time.monotonic()
    while missing and time.monotonic() - since < seconds:
        gone = dead()
        for lane, tokens in list(missing.values()):
            left = tokens - _arrived(load.instance, lane) - gone
            if len(left) < len(tokens):
                since = time.monotonic()
            missing[id(lane)] = lane, left
            if not left:
                del missing[id(lane)]
        time.sleep(0.2)
    return fates(load)


def fates(load: Load) -> list[Fate]:
    """Returns the current fate of each sent token."""
    instance, found = load.instance, []
    inboxes = {lane.chat: instance.inbox(lane.chat) for lane in load.out}
    for lane in load.out:
        arrived = _by_text(
            (item["text"], Arrival(item["id"], place, _seconds(item["at"]), item["deliveries"]))
            for place, item in enumerate(inboxes[lane.chat])
            if item["from"] == lane.party.account
        )
        found += [Fate(token, lane, at, arrived.get(token, [])) for token, at in lane.tokens]
    stored = {
        party.connection: _by_text(
            (item["text"], Arrival(item["id"], place, _seconds(item["received_at"]), 1))
            for place, item in enumerate(_stored(instance, party.connection))
        )
        for party in load.parties
    }
    for lane in load.incoming:
        arrived = stored[lane.party.connection]
        tokens = lane.tokens
        if lane.doubtful:
            # The answer to the request is known by now.
            said = {item["text"]: place for place, item in enumerate(_said(instance, lane.chat))}
            taken = [one for one in lane.doubtful if one[0] in said]
            tokens = sorted([*lane.tokens, *taken], key=lambda one: said[one[0]])
        found += [Fate(token, lane, at, arrived.get(token, [])) for token, at in tokens]
    return found


def _by_text(items: Any) -> dict[str, list[Arrival]]:
    found: dict[str, list[Arrival]] = {}
    for text, arrival in items:
        found.setdefault(text, []).append(arrival)
    return found


def _arrived(instance: Instance, lane: Lane) -> set[str]:
    """The texts that are where they belong: in the contact's inbox, or in the service's store."""
    try:
        if lane.direction == "out":
            return {item["text"] for item in instance.inbox(lane.chat)}
        return {item["text"] for item in _stored(instance, lane.party.connection, chat=lane.chat)}
    except httpx.HTTPError:
        return set()


def _stored(instance: Instance, connection: str, **query: str) -> list[dict[str, Any]]:
    return instance.messages(
        connection=connection, direction="in", limit="500", order="oldest", **query
    )


def _said(instance: Instance, contact: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (
        instance.simulator.get(f"/contacts/{contact}/said").raise_for_status().json()["items"]
    )
    return items


def _seconds(at: float | str) -> float:
    if isinstance(at, str):
        return datetime.fromisoformat(at).timestamp()
    return at
