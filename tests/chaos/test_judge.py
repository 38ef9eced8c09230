"""The judge and the killer by themselves: they can say no, and a seed says the same again."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.chaos.harness import report
from tests.chaos.harness.faults.faults import FAULTS, SHARED, SINGLE
from tests.chaos.harness.judge import Arrival, Fate, Violation, violations
from tests.chaos.harness.killer import Strike, assess, attribute, schedule
from tests.chaos.harness.scene import ConnectionOwner, parties
from tests.chaos.harness.storm import Outcome
from tests.chaos.harness.traffic import Lane

if TYPE_CHECKING:
    from tests.chaos.harness.faults.faults import Fault

WHOM = parties(2, 1)
LANE = Lane(WHOM[0], WHOM[0].contacts[0], "out")
KILL, DROP, EVERYTHING = (
    next(fault for fault in FAULTS if fault.name == name)
    for name in ("kill queue", "drop", "kill everything")
)


def fates(*places: int | None) -> list[Fate]:
    """Tokens in the order in which they were given, by the place at which each arrived."""
    return [
        Fate(
            f"token {number}",
            LANE,
            float(number),
            [] if place is None else [Arrival(f"id {number}", place, 100.0 + place, 1)],
        )
        for number, place in enumerate(places)
    ]


def reported(found: list[Violation]) -> list[tuple[str, str]]:
    return [(one.kind, one.what) for one in found]


def test_all_that_arrives_in_order_is_well() -> None:
    assert violations(fates(0, 1, 2)) == []


def test_what_does_not_arrive_is_lost_unless_it_is_dead() -> None:
    assert reported(violations(fates(0, None, 2))) == [("lost", "token 1")]
    assert violations(fates(0, None, 2), {"token 1": False}) == []


def test_what_is_dead_and_delivered_has_to_be_uncertain() -> None:
    ((kind, what),) = reported(violations(fates(0, 1), {"token 1": False}))
    assert kind == "both"
    assert what.startswith("token 1 ")
    assert violations(fates(0, 1), {"token 1": True}) == []


def test_two_ids_of_one_token_are_a_duplicate() -> None:
    found = fates(0, 1)
    found[1].arrivals.append(Arrival("another id", 2, 200.0, 1))
    (one,) = violations(found)
    assert (one.kind, one.what, one.at) == ("duplicated", "token 1", 200.0)


def test_an_earlier_token_behind_a_later_one_is_reordered() -> None:
    assert reported(violations(fates(0, 2, 1))) == [("reordered", "token 1 after token 2")]


def test_lanes_may_overtake_each_other() -> None:
    other = Lane(LANE.party, LANE.chat, "out", 1)
    found = fates(2, 3)
    found.append(Fate("urgent", other, 2.0, [Arrival("u", 0, 100.0, 1)]))
    assert violations(found) == []


def test_a_seed_says_the_same_faults_and_victims_again() -> None:
    def first(seed: int) -> list[tuple[str, str]]:
        plan = islice(schedule(seed, FAULTS, WHOM), 2 * len(FAULTS))
        return [(one.fault.name, one.party.connection) for one in plan]

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert set(Counter(name for name, _ in first(1)).values()) == {2}


def test_every_fault_has_a_hand_and_a_name_of_its_own() -> None:
    assert Counter(FAULTS) == Counter((*SHARED, *SINGLE))
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def strike(
    fault: Fault, at: float, recovery: float | None = 1.0, *, epochs: tuple[int, int] = (1, 1)
) -> Strike:
    before, after = ({WHOM[1].connection: ConnectionOwner(epoch, 7)} for epoch in epochs)
    return Strike(fault, WHOM[0], at, at, at - 0.5, recovery, before=before, after=after)


@pytest.mark.parametrize(
    ("strikes", "kinds"),
    [
        pytest.param([strike(DROP, 0)], [[]], id="in time"),
        pytest.param([strike(DROP, 0, DROP.limit + 1)], [["late"]], id="too late"),
        pytest.param([strike(DROP, 0, None)], [["late"]], id="never"),
        pytest.param(
            [strike(DROP, 0, DROP.limit + 1), strike(KILL, 1)], [[], []], id="delayed by another"
        ),
        pytest.param([strike(DROP, 0, epochs=(1, 2))], [["disturbed"]], id="hit somebody else"),
        pytest.param(
            [strike(EVERYTHING, 0, epochs=(1, 2))], [[]], id="hit everybody, as it has to"
        ),
        pytest.param(
            [strike(DROP, 0, epochs=(1, 2)), strike(EVERYTHING, -1.2)],
            [[], []],
            id="seen in between",
        ),
        pytest.param(
            [strike(DROP, 0, epochs=(1, 2)), strike(EVERYTHING, -2)],
            [["disturbed"], []],
            id="long before",
        ),
        pytest.param(
            [strike(DROP, 0, epochs=(1, 2)), strike(EVERYTHING, 0.5)], [[], []], id="not its doing"
        ),
    ],
)
def test_what_is_late_and_who_was_disturbed(strikes: list[Strike], kinds: list[list[str]]) -> None:
    strikes = [Strike(**{name: getattr(one, name) for name in FIELDS}) for one in strikes]
    assess(strikes)
    assert [[one.kind for one in each.violations] for each in strikes] == kinds


FIELDS = ("fault", "party", "at", "over", "begun", "recovery", "before", "after")


def test_a_violation_is_put_to_the_fault_near_which_it_happened() -> None:
    early, late = strike(KILL, 0), strike(KILL, 50)
    elsewhere = Strike(DROP, WHOM[1], 20, 20, 20, 1)
    attribute([Violation("lost", "a", WHOM[0].connection, 20.5)], [early, late, elsewhere])
    assert [len(one.violations) for one in (early, late, elsewhere)] == [1, 0, 0]
    attribute([Violation("lost", "b", WHOM[1].connection, 20.5)], [early, late, elsewhere])
    assert [len(one.violations) for one in (early, late, elsewhere)] == [1, 0, 1]


def test_what_struck_nobody_does_not_count() -> None:
    """And a fault that never struck anybody is a violation."""
    busy, idle = strike(KILL, 0.5, 1.0), strike(KILL, 150, 3.0)
    never = Strike(DROP, WHOM[0], 160, 160, 160, 1)
    outcome = Outcome(60, [busy, idle, never], fates(0), {}, Counter(), [])
    assert [outcome.counts(one) for one in (busy, idle, never)] == [True, False, False]
    assert [(one.kind, one.at) for one in outcome.idle()] == [("idle", 160)]
    assert [(row.times, row.p50) for row in report.rows(outcome)] == [(1, 1.0), (0, None)]


def test_what_cut_somebody_off_struck_messages() -> None:
    """The simulator dies during the requests, so that their outcomes are unknown."""
    lane = Lane(WHOM[0], WHOM[0].contacts[0], "in", doubtful=[("said", 149.9)])
    known = [Fate("token", lane, 0.0, [Arrival("id", 0, 1.0, 1)])]
    cut, before, later = strike(KILL, 150), strike(KILL, 149), strike(KILL, 152)
    outcome = Outcome(60, [cut, before, later], known, {}, Counter(), [])
    assert [outcome.counts(one) for one in (cut, before, later)] == [True, False, False]
    assert not outcome.counts(Strike(DROP, WHOM[1], 150, 150, 149.5, 1)), "it was another's"


def test_the_table_tells_what_happened() -> None:
    one, two = strike(KILL, 0.5, 1.0), strike(KILL, 50, 3.0)
    two.violations.append(Violation("lost", "token 1", None, 50))
    outcome = Outcome(60, [one, two], fates(0, None), {}, Counter(), [], two.violations)
    (row,) = report.rows(outcome)
    assert (row.times, row.in_flight, row.lost, row.clean) == (2, 3, 1, False)
    assert (row.p50, row.p95, row.max) == (1.0, 3.0, 3.0)
    said = report.plain(outcome, seed=1, connections=2)
    drawn = ET.fromstring(report.picture([row], said))
    assert "kill queue" in "".join(drawn.itertext())
    assert "lost: token 1" in report.text(outcome)
