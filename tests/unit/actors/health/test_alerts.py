"""Alerts round by round: ``!`` raised, ``.`` cleared, ``-`` nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.health.alerts import Alert, Alerts
from actors.health.checks import Reason, Verdict

# Observations of a round: ``1`` the condition, ``0`` its absence, ``?`` none.
ROUNDS = [
    ("redis_away", "1", "!"),
    ("redis_away", "111", "!--"),
    ("redis_away", "100", "!-."),
    ("redis_away", "10100", "!---."),  # it flaps: one alert
    ("redis_away", "1001", "!-.!"),
    ("cpu_high", "1", "-"),  # a peak
    ("cpu_high", "101010", "------"),
    ("cpu_high", "11", "-!"),
    ("cpu_high", "1100", "-!-."),
    ("connection_failed", "1??0", "!---"),  # blind is not cured
    ("connection_failed", "1????00", "!-----."),
    ("connection_failed", "10?0", "!--."),
    ("redis_slow", "1?1", "--!"),
]


def seen(name: str, what: str, subject: str | None = None) -> Verdict:
    reasons = (Reason(name, "degraded", "A sentence.", subject),) if what == "1" else ()
    return Verdict("healthy", reasons, frozenset({name} if what == "?" else ()))


@pytest.mark.parametrize(("name", "rounds", "expected"), ROUNDS)
def test_rounds(name: str, rounds: str, expected: str) -> None:
    alerts, shown = Alerts(), ""
    for number, what in enumerate(rounds):
        alerts, changed = alerts.judged(seen(name, what), at=float(number))
        assert len(changed) <= 1
        shown += "-" if not changed else "!" if changed[0].cleared_at is None else "."
    assert shown == expected


def test_each_subject_has_an_alert_of_its_own() -> None:
    one, other = (Reason("connection_failed", "healthy", "It is.", name) for name in ("a", "b"))
    alerts, raised = Alerts().judged(Verdict("healthy", (one, other)), at=5.0)
    assert [alert.subject for alert in raised] == ["a", "b"]
    alerts, _ = alerts.judged(Verdict("healthy", (one,)), at=6.0)
    alerts, cleared = alerts.judged(Verdict("healthy", (one,)), at=7.0)
    assert [(alert.subject, alert.cleared_at) for alert in cleared] == [("b", 7.0)]
    assert list(alerts.active) == [("connection_failed", "a")]


@pytest.mark.parametrize(
    ("name", "severity"),
    [("redis_away", "critical"), ("all_failed", "critical"), ("not_durable", "warning")],
)
def test_severity(name: str, severity: str) -> None:
    _, (alert,) = Alerts().judged(seen(name, "1"), at=5.0)
    assert alert.severity == severity


def test_an_alert_is_one_document_from_its_raising_to_its_clearing() -> None:
    alerts, (raised,) = Alerts().judged(seen("connection_failed", "1", "shop"), at=5.0)
    alerts, _ = alerts.judged(seen("connection_failed", "0"), at=6.0)
    _, (cleared,) = alerts.judged(seen("connection_failed", "0"), at=7.0)
    assert raised.id == cleared.id == "connection_failed.shop.5000"
    assert raised.write.data == {
        "name": "connection_failed",
        "subject": "shop",
        "severity": "critical",
        "active": True,
        "reason": "A sentence.",
        "raised_at": 5.0,
        "cleared_at": None,
        "told_at": 5.0,
        "repeats": 0,
        "at": 5.0,
    }
    assert cleared.write.data == {**raised.write.data, "active": False, "cleared_at": 7.0}
    assert Alert.of(dict(cleared.write.data)).write == cleared.write


def test_a_new_monitor_goes_on_with_the_alerts_of_the_old_one() -> None:
    _, (raised,) = Alerts().judged(seen("redis_away", "1"), at=5.0)
    twice = Alert("redis_away", None, "critical", "A sentence.", raised_at=6.0)
    resumed = Alerts.resumed([raised, twice])
    resumed, changed = resumed.judged(seen("redis_away", "1"), at=9.0)
    assert changed == ()
    resumed, _ = resumed.judged(seen("redis_away", "0"), at=10.0)
    _, (cleared,) = resumed.judged(seen("redis_away", "0"), at=11.0)
    assert cleared.id == raised.id


def test_a_reason_that_says_what_to_do_is_kept_up_to_date() -> None:
    first, second = (
        Reason("connection_blocked", "healthy", text, "a") for text in ("One.", "Two.")
    )
    alerts, (raised,) = Alerts().judged(Verdict("healthy", (first,)), at=5.0)
    alerts, changed = alerts.judged(Verdict("healthy", (second,)), at=6.0)
    assert [(alert.id, alert.reason) for alert in changed] == [(raised.id, "Two.")]
    assert alerts.judged(Verdict("healthy", (second,)), at=7.0)[1] == ()


def test_a_count_in_a_text_is_kept_up_to_date() -> None:
    one, three = (Reason("dead_letters", "healthy", text) for text in ("1 letter.", "3 letters."))
    alerts, (raised,) = Alerts().judged(Verdict("healthy", (one,)), at=5.0)
    _, (changed,) = alerts.judged(Verdict("healthy", (three,)), at=6.0)
    assert (changed.id, changed.reason, changed.repeats) == (raised.id, "3 letters.", 0)


def test_a_state_that_needs_nobody_is_no_alert() -> None:
    verdict = Verdict("healthy", (Reason("files_deferred", "healthy", "3 files.", "shop"),))
    alerts, changed = Alerts().judged(verdict, at=5.0)
    assert (dict(alerts.active), changed) == ({}, ())
    older = Alert("files_deferred", "shop", "warning", "3 files.", raised_at=1.0)
    alerts, changed = Alerts.resumed([older]).judged(verdict, at=5.0)
    assert changed == ()
    _, (cleared,) = alerts.judged(verdict, at=6.0)
    assert (cleared.id, cleared.cleared_at) == (older.id, 6.0)


def test_a_drifting_reason_is_stored_up_to_date_when_the_alert_is_repeated() -> None:
    """A figure in its text that changes in each round is no news."""
    first, second = (Reason("cpu_high", "degraded", text) for text in ("91 %.", "92 %."))
    alerts, _ = Alerts().judged(Verdict("degraded", (first,)), at=5.0)
    alerts, _ = alerts.judged(Verdict("degraded", (first,)), at=6.0)
    alerts, changed = alerts.judged(Verdict("degraded", (second,)), at=7.0, every=HOUR)
    assert changed == ()
    (active,) = alerts.active.values()
    assert active.shown["reason"] == "92 %.", "the page shows the figure of the last round"
    _, (repeated,) = alerts.judged(Verdict("degraded", (second,)), at=6.0 + HOUR, every=HOUR)
    assert (repeated.reason, repeated.repeats, repeated.told_at) == ("92 %.", 1, 6.0 + HOUR)


@pytest.mark.parametrize("every", [0.0, 10.0])
def test_a_warning_that_becomes_urgent_is_repeated_as_critical(every: float) -> None:
    """Also where alerts are never repeated, and only once."""
    soon, sooner = (
        Verdict("healthy", (Reason("version_expires", "healthy", text, urgent=urgent),))
        for text, urgent in (("In days.", False), ("In hours.", True))
    )
    alerts, (raised,) = Alerts().judged(soon, at=5.0, every=every)
    alerts, (critical,) = alerts.judged(sooner, at=6.0, every=every)
    assert (raised.severity, critical.severity, critical.id) == ("warning", "critical", raised.id)
    assert (critical.reason, critical.told_at, critical.repeats) == ("In hours.", 6.0, 1)
    alerts, changed = alerts.judged(sooner, at=7.0, every=every)
    assert changed == ()
    alerts, (warning,) = alerts.judged(soon, at=8.0, every=every)
    assert (warning.severity, warning.repeats) == ("warning", 1), "a newer version was announced"


HOUR = 3600.0


@pytest.mark.parametrize(
    ("at", "every", "due", "remark"),
    [
        (1000.0, 60.0, False, "it was raised right now"),
        (1000.5, 60.0, False, "or half a second ago"),
        (1059.9, 60.0, False, "not yet"),
        (1060.0, 60.0, True, "after exactly the pause"),
        (1001.0, 1.0, True, "of a second, too"),
        (1000.5, 0.5, True, "or of less"),
        (999.0, 60.0, True, "the clock was set back"),
        (9000.0, 0.0, False, "never"),
    ],
)
def test_due(at: float, every: float, due: bool, remark: str) -> None:
    assert Alert("redis_away", None, "critical", "It is.", 1000.0).due(at, every) is due, remark


def repeats_of(
    hours: float, alerts: Alerts, *, every: float = HOUR, what: str = "1", since: float = 0
) -> list[float]:
    """Returns the hours in which the alert was repeated, by a round each quarter of an hour `since` one."""
    again = []
    for quarter in range(int(since * 4) + 1, int(hours * 4) + 1):
        at = quarter * HOUR / 4
        alerts, changed = alerts.judged(seen("redis_away", what), at=at, every=every)
        again += [at / HOUR for alert in changed if alert.told_at == at]
    return again


def test_while_it_lasts_it_is_repeated_with_growing_pauses() -> None:
    raised, _ = Alerts().judged(seen("redis_away", "1"), at=0.0, every=HOUR)
    assert repeats_of(100, raised) == [1, 3, 7, 15, 31, 55, 79]
    assert repeats_of(100, raised, every=0) == []
    assert repeats_of(100, raised, every=48 * HOUR) == [48, 96]


@pytest.mark.parametrize("what", ["0", "?"])
def test_an_unobserved_condition_is_not_repeated(what: str) -> None:
    raised, _ = Alerts().judged(seen("redis_away", "1"), at=0.0, every=HOUR)
    assert repeats_of(10, raised, what=what) == []


def test_a_new_monitor_is_as_patient_as_the_old_one() -> None:
    alerts, (raised,) = Alerts().judged(seen("redis_away", "1"), at=0.0, every=HOUR)
    alerts, (again,) = alerts.judged(seen("redis_away", "1"), at=HOUR, every=HOUR)
    assert (again.id, again.repeats, again.reason) == (raised.id, 1, "A sentence.")
    resumed = Alerts.resumed([Alert.of(dict(again.write.data))])
    assert repeats_of(10, resumed, since=1) == [3, 7]


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    alerts, _ = Alerts().judged(seen("redis_away", "1"), at=1000 * HOUR, every=HOUR)
    assert repeats_of(4, alerts) == [0.25, 2.25]


def test_an_alert_of_an_older_release_is_repeated() -> None:
    _, (raised,) = Alerts().judged(seen("redis_away", "1"), at=0.0)
    document = {k: v for k, v in raised.write.data.items() if k not in {"told_at", "repeats"}}
    assert repeats_of(2, Alerts.resumed([Alert.of(document)])) == [1]


def test_the_log_says_what_became_of_it() -> None:
    _, (raised,) = Alerts().judged(seen("redis_away", "1"), at=0.0, every=HOUR)
    again = raised.again(HOUR)
    changes = [(raised, None), (again, raised), (replace(raised, reason="So."), raised)]
    changes.append((replace(again, cleared_at=9.0), again))
    assert [after.became(before) for after, before in changes] == [
        "alert_raised",
        "alert_repeated",
        "alert_changed",
        "alert_cleared",
    ]
