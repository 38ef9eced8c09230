"""A whole run: load, faults, and what everybody says afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.harness import judge, killer
from tests.chaos.harness.judge import Violation
from tests.chaos.harness.scene import Scene
from tests.chaos.harness.traffic import Load
from tests.chaos.harness.watch import SeenAlert, Watch
from tests.waits import passes

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from tests.chaos.harness.faults.outside import Outside
    from tests.chaos.harness.judge import Fate
    from tests.chaos.harness.killer import Planned, Strike
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

QUIET = 60.0
"""Seconds without any arrival after which what has not arrived is lost."""

CLEARED = 30.0
"""Seconds within which every alert is cleared once all is well again."""

ASKING = 1.0
"""Seconds for which what somebody says to a contact may be on its way to the simulator."""

PROVEN = ("sent", "delivered", "read")


@dataclass
class Outcome:
    """The sent tokens, the faults, and all violated guarantees."""

    seconds: float
    strikes: list[Strike]
    fates: list[Fate] = field(repr=False)
    dead: dict[str, bool]
    refused: Counter[str]
    alerts: list[SeenAlert]
    violations: list[Violation] = field(default_factory=list)

    def in_flight(self, strike: Strike) -> int:
        """Returns the number of affected tokens that were sent before the fault and arrived after it."""
        return sum(
            fate.given_at < strike.at < (fate.arrived_at or float("inf"))
            for fate in self.fates
            if strike.touches(fate.lane.party.connection)
        )

    def counts(self, strike: Strike) -> bool:
        """Whether it struck messages: what strikes an idle process proves nothing."""
        return strike.met or self.in_flight(strike) > 0 or self.cut_off(strike)

    def cut_off(self, strike: Strike) -> bool:
        """Returns whether a send was in progress and got no answer."""
        lanes = {id(fate.lane): fate.lane for fate in self.fates}.values()
        return any(
            strike.at - ASKING < asked < strike.at
            for lane in lanes
            if strike.touches(lane.party.connection)
            for _, asked in lane.doubtful
        )

    def unproven(self) -> set[str]:
        """The names of faults that struck no message at any time; pure."""
        struck = {one.fault.name for one in self.strikes if self.counts(one)}
        return {one.fault.name for one in self.strikes} - struck

    def idle(self) -> list[Violation]:
        """One for each strike of a fault that struck no message; pure."""
        unproven = self.unproven()
        return [
            Violation("idle", f"{name}: nothing was in flight", one.party.connection, one.at)
            for one in self.strikes
            if (name := one.fault.name) in unproven
        ]


def storm(
    instance: Instance,
    parties: Sequence[Party],
    plans: Sequence[Iterable[Planned]],
    *,
    pause: float,
    seconds: float = float("inf"),
    outside: Outside | None = None,
) -> Outcome:
    """Strike as planned for so long, or until the plans are over, then count."""
    begun = time.monotonic()
    load = Load(instance, parties, pause=pause, urgent=True)
    with Watch(instance) as watch:
        with load:
            assert passes(lambda: load.given() > 10 * len(parties), 60), "nothing is accepted"
            strikes = killer.run(Scene(instance, load, outside), plans, begun + seconds)
        lasted = time.monotonic() - begun
        fates = judge.settled(load, seconds=QUIET, dead=lambda: set(dead_letters(instance)))
        dead = dead_letters(instance)
        violations = [
            *judge.violations(fates, dead),
            *_api(instance, fates, dead),
            *_linked(instance, watch, parties),
            *_alerts(watch, strikes, dead),
        ]
    outcome = Outcome(lasted, strikes, fates, dead, load.refused, list(watch.alerts.values()))
    violations += outcome.idle()
    killer.assess(strikes)
    killer.attribute(violations, strikes)
    outcome.violations = [one for strike in strikes for one in strike.violations]
    return outcome


def dead_letters(instance: Instance) -> dict[str, bool]:
    """The dead letters' texts, and whether each is uncertain."""
    found: dict[str, bool] = {}
    after: str | None = None
    while True:
        try:
            page: dict[str, Any] = (
                instance.api.get("/api/queue/dead", params={"after": after} if after else {})
                .raise_for_status()
                .json()
            )
        except httpx.HTTPError:
            return found
        found |= {item["text"]: item["uncertain"] for item in page["items"]}
        after = page["next"]
        if after is None:
            return found


def _api(instance: Instance, fates: list[Fate], dead: dict[str, bool]) -> list[Violation]:
    """Compares the service's reports of sent messages with their fates, each message once."""
    sent = [fate for fate in fates if fate.lane.direction == "out"]

    def wrong() -> list[Violation]:
        known: dict[str, list[str]] = {}
        for connection in {fate.lane.party.connection for fate in sent}:
            for item in instance.messages(connection=connection, direction="out", limit="500"):
                known.setdefault(item["text"], []).append(item["status"])
        found = []
        for fate in sent:
            said, right = known.get(fate.token, []), ("dead",) if fate.token in dead else PROVEN
            if len(said) != 1 or said[0] not in right:
                what = f"{fate.token} is {said or 'unknown'} to the service"
                connection = fate.lane.party.connection
                found.append(Violation("wrongly reported", what, connection, fate.given_at))
        return found

    # The mirror is a view that follows.
    passes(lambda: not wrong(), QUIET)
    return wrong()


def _linked(instance: Instance, watch: Watch, parties: Sequence[Party]) -> list[Violation]:
    """Nobody was asked to scan a QR, and nobody did (G7)."""
    found = [
        Violation("QR", f"{connection} wanted to be linked again", connection, at)
        for connection, at in watch.unlinked.items()
        if connection in {party.connection for party in parties}
    ]
    for party in parties:
        account = instance.simulator.get(f"/accounts/{party.account}").raise_for_status().json()
        if len(account["devices"]) != 1 or instance.qr(party.connection) is not None:
            what = f"{party.connection} has {len(account['devices'])} devices, or a QR"
            found.append(Violation("QR", what, party.connection, time.time()))
    return found


def _alerts(watch: Watch, strikes: Sequence[Strike], dead: dict[str, bool]) -> list[Violation]:
    """Every alert that was due was raised, and all are cleared."""
    due = [one for one in strikes if one.fault.alert is not None and one.recovery is not None]
    found = [
        Violation("alert", f"{one.fault.alert} was not raised", one.party.connection, one.at)
        for one in due
        # The observer may have been struck at the same time.
        if not any(killer.overlaps(one, other) for other in strikes if other is not one)
        and not watch.seen(str(one.fault.alert), one.at)
    ]

    def left() -> list[str]:
        return [name for name in watch.active() if not (dead and name == "dead_letters")]

    if not passes(lambda: not left(), CLEARED):
        found += [
            Violation("alert", f"{name} is not cleared", None, time.time()) for name in left()
        ]
    return found
