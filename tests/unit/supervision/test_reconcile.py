"""The next step for a connection, as a table (G6, G7, G8, G9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.connection.actor import EngineRemoved
from actors.connection.engine import EngineNotInstalled
from actors.connection.session.file import SessionBlocked, SessionTooNew
from actors.redis.leases.leases import Lease, Owner
from actors.state.connections import Connection
from supervision.reconcile import (
    CRASH_LOOP,
    FOR_GOOD,
    HALF_OPEN,
    NO_STEP,
    OUTDATED,
    UNREADABLE_CAUSES,
    Applied,
    Configure,
    Fall,
    Forget,
    Kill,
    Logout,
    MarkApplied,
    Settle,
    StartActor,
    Step,
    StopActor,
    breaker,
    decide,
)
from supervision.restarts.policy import BUDGET_RESET_SECONDS, Intensity

if TYPE_CHECKING:
    from actors.state.connection_document import Desired

NOW = 10_000.0
ACCOUNT = "15550100001@s.whatsapp.net"


def wanted(
    desired: Desired = "running", generation: int = 0, recover: int = 0, deleted: bool = False
) -> Connection:
    return Connection("shop", "whatsmeow", None, desired, generation, recover, 0.0, deleted, None)


def lease(state: str, cause: str | None = None, *, epoch: int = 3, age: float = 1.0) -> Lease:
    owner = Owner("connection:a", 4, "here")
    return Lease("shop", epoch, owner, state, cause, NOW - age, NOW, 0, ACCOUNT)


UNPAIRED = replace(lease("pairing"), account=None)
CRASHED = Fall("crashed")
EXHAUSTED = Fall("crashed", exhausted=True)
DELETED = wanted("stopped", deleted=True)

ROWS: list[tuple[str, Connection, Lease | None, int | None, Fall | None, Step]] = [
    # with an actor
    ("all is well", wanted(), lease("open"), 3, None, NO_STEP),
    ("its socket is down: its own business", wanted(), lease("reconnecting"), 3, None, NO_STEP),
    ("a newer owner exists", wanted(), lease("open", epoch=4), 3, None, Kill("stale")),
    ("a newer owner, stopped", wanted("stopped"), lease("open", epoch=4), 3, None, Kill("stale")),
    ("stop", wanted("stopped"), lease("open"), 3, None, StopActor("asked")),
    ("log out", wanted("logged_out"), lease("open"), 3, None, Logout()),
    ("delete unlinks the device", DELETED, lease("open"), 3, None, Logout()),
    ("restart", wanted(generation=1), lease("open"), 3, None, StopActor("restart")),
    ("recover what is well", wanted(recover=1), lease("open"), 3, None, MarkApplied()),
    ("recover what shows a QR", wanted(recover=1), lease("pairing"), 3, None, MarkApplied()),
    (
        "recover what is down",
        wanted(recover=1),
        lease("reconnecting"),
        3,
        None,
        StopActor("recover"),
    ),
    ("Redis was emptied: it finds out", wanted(), None, 3, None, NO_STEP),
    # without one, to run
    ("new", wanted(), None, None, None, StartActor("desired")),
    ("cold start", wanted(), lease("open"), None, None, StartActor("desired")),
    ("after `down`", wanted(), lease("stopped"), None, None, StartActor("desired")),
    ("crashed", wanted(), lease("reconnecting"), None, CRASHED, StartActor("crashed")),
    ("replaced stays so", wanted(), lease("failed", "replaced", age=1e6), None, None, NO_STEP),
    (
        "taken back: with a fresh lease",
        wanted(recover=1),
        lease("failed", "replaced"),
        None,
        None,
        StartActor("asked", forgive=True),
    ),
    (
        "gave up while Redis was away",
        wanted(),
        lease("open"),
        None,
        Fall("banned", final=True),
        Settle("failed", "banned"),
    ),
    ("outdated", wanted(), lease("failed", OUTDATED, age=10.0), None, None, NO_STEP),
    (
        "outdated at the moment of the last settings",
        wanted(),
        lease("failed", OUTDATED, age=20.0),
        None,
        None,
        NO_STEP,
    ),
    (
        "outdated, with other settings",
        wanted(),
        lease("failed", OUTDATED, age=30.0),
        None,
        None,
        StartActor("settings", forgive=True),
    ),
    (
        "banned, with other settings",
        wanted(),
        lease("failed", "banned", age=30.0),
        None,
        None,
        NO_STEP,
    ),
    ("crash loop", wanted(), lease("reconnecting"), None, EXHAUSTED, Settle("failed", CRASH_LOOP)),
    ("given up", wanted(), lease("failed", CRASH_LOOP), None, None, NO_STEP),
    ("given up just now", wanted(), lease("failed", CRASH_LOOP, age=0.0), None, None, NO_STEP),
    ("given up a moment ago", wanted(), lease("failed", CRASH_LOOP, age=0.5), None, None, NO_STEP),
    ("banned", wanted(), lease("failed", "banned", age=1e6), None, None, NO_STEP),
    (
        "half open",
        wanted(),
        lease("failed", CRASH_LOOP, age=HALF_OPEN),
        None,
        None,
        StartActor("half_open", trial=True),
    ),
    (
        "half open: the clock was set back",
        wanted(),
        lease("failed", CRASH_LOOP, age=-3600.0),
        None,
        None,
        StartActor("half_open", trial=True),
    ),
    (
        "recover now",
        wanted(recover=1),
        lease("failed", CRASH_LOOP),
        None,
        EXHAUSTED,
        StartActor("asked", forgive=True),
    ),
    (
        "restart what failed",
        wanted(generation=1),
        lease("failed", "banned"),
        None,
        None,
        StartActor("asked", forgive=True),
    ),
    ("WhatsApp logged it out", wanted(), lease("logged_out", "logged_out"), None, None, NO_STEP),
    ("a person did", wanted(), lease("logged_out", "asked"), None, None, StartActor("asked")),
    (
        "pair again",
        wanted(generation=1),
        lease("logged_out", "logged_out"),
        None,
        None,
        StartActor("asked", forgive=True),
    ),
    # without one, not to run
    ("stopped", wanted("stopped"), lease("stopped"), None, None, NO_STEP),
    ("never ran", wanted("stopped"), None, None, None, NO_STEP),
    ("fell, then stopped", wanted("stopped"), lease("open"), None, CRASHED, Settle("stopped")),
    ("failed, then stopped", wanted("stopped"), lease("failed"), None, None, Settle("stopped")),
    ("logged out stays", wanted("stopped"), lease("logged_out"), None, None, NO_STEP),
    (
        "unlinking needs a socket",
        wanted("logged_out"),
        lease("stopped"),
        None,
        None,
        StartActor("logout"),
    ),
    (
        "nothing to unlink",
        wanted("logged_out"),
        UNPAIRED,
        None,
        None,
        Settle("logged_out", "asked"),
    ),
    (
        "unlinking was tried enough",
        wanted("logged_out"),
        lease("reconnecting"),
        None,
        EXHAUSTED,
        Settle("logged_out", "asked"),
    ),
    *(
        (
            f"{cause}: no login to unlink it, so it is forgotten here",
            wanted("logged_out"),
            lease("failed", cause),
            None,
            None,
            StartActor("logout", forget=True),
        )
        for cause in ("bad_session", "replaced", "banned", OUTDATED, CRASH_LOOP)
    ),
    (
        "gave up while Redis was away, then logged out",
        wanted("logged_out"),
        lease("open"),
        None,
        Fall("bad_session", final=True),
        StartActor("logout", forget=True),
    ),
    (
        "its session could not be read, which the lease does not know",
        wanted("logged_out"),
        lease("open"),
        None,
        Fall("session_too_new", final=True),
        Settle("logged_out", "asked"),
    ),
    (
        "forgetting was tried enough",
        wanted("logged_out"),
        lease("failed", "bad_session"),
        None,
        EXHAUSTED,
        Settle("logged_out", "asked"),
    ),
    (
        "failed before it was linked",
        wanted("logged_out"),
        replace(lease("failed", OUTDATED), account=None),
        None,
        None,
        Settle("logged_out", "asked"),
    ),
    *(
        (
            f"{cause}: it would only meet that again",
            wanted("logged_out"),
            lease("failed", cause),
            None,
            None,
            Settle("logged_out", "asked"),
        )
        for cause in (
            "session_too_new",
            "session_blocked",
            "engine_removed",
            "engine_not_installed",
        )
    ),
    ("logged out", wanted("logged_out"), lease("logged_out"), None, None, NO_STEP),
    # deleted
    ("deleted while stopped: unlink", DELETED, lease("stopped"), None, None, StartActor("logout")),
    ("deleted and unlinked", DELETED, lease("logged_out"), None, None, Forget()),
    ("deleted before it was paired", DELETED, UNPAIRED, None, None, Forget()),
    ("deleted before it ran", DELETED, None, None, None, Forget()),
    (
        "deleted in a crash loop: unlinking was tried enough",
        DELETED,
        lease("open"),
        None,
        EXHAUSTED,
        Forget(),
    ),
    (
        "deleted, with no login left",
        DELETED,
        lease("open"),
        None,
        Fall("banned", final=True),
        Forget(),
    ),
    ("deleted while banned", DELETED, lease("failed", "banned"), None, None, Forget()),
]


@pytest.mark.parametrize(
    ("wish", "known", "serving", "fall", "step"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_step(
    wish: Connection, known: Lease | None, serving: int | None, fall: Fall | None, step: Step
) -> None:
    found = decide(
        wish, Applied(), known, serving, fall, auto_recovery=True, now=NOW, settings_at=NOW - 20
    )
    assert found == step


@pytest.mark.parametrize(
    ("wish", "known", "fall", "step", "why"),
    [
        (wanted(), lease("reconnecting"), CRASHED, Settle("failed", "crashed"), "it stays down"),
        (wanted(), lease("failed", "crashed"), None, NO_STEP, "until it is asked for"),
        (wanted(), lease("failed", CRASH_LOOP, age=1e6), None, NO_STEP, "no half-open either"),
        (wanted(recover=1), lease("failed"), None, StartActor("asked", forgive=True), "asked for"),
        (wanted(), lease("failed", OUTDATED, age=1e6), None, NO_STEP, "nor after new settings"),
        (wanted(), None, None, StartActor("desired"), "a new connection starts all the same"),
    ],
)
def test_without_auto_recovery(
    wish: Connection, known: Lease | None, fall: Fall | None, step: Step, why: str
) -> None:
    found = decide(
        wish, Applied(), known, None, fall, auto_recovery=False, now=NOW, settings_at=NOW - 20
    )
    assert found == step, why


def test_what_was_acted_upon_is_not_asked_again() -> None:
    wish, done = wanted(generation=2, recover=5), Applied(2, 5)
    assert decide(wish, done, lease("open"), 3, None, auto_recovery=True, now=NOW) == NO_STEP


TRIAL = (1000.0,) * 11


@pytest.mark.parametrize(
    ("state", "cause", "since", "falls", "expected"),
    [
        ("open", None, 0.0, (), "closed"),
        ("open", None, 900.0, (900.0, 950.0), "closed"),
        ("failed", "banned", 990.0, (), "closed"),
        ("failed", "crash_loop", 990.0, (980.0, 985.0, 990.0), "open"),
        ("failed", "crash_loop", 1010.0, (980.0, 985.0, 990.0), "open"),
        ("failed", "crash_loop", 1009.5, (980.0, 985.0, 990.0), "open"),
        ("failed", "crash_loop", 1010.0 - HALF_OPEN, (1.0, 2.0), "half_open"),
        ("failed", "crash_loop", 2000.0, (1.0, 2.0), "half_open"),  # the clock was set back
        ("open", None, 1001.0, TRIAL, "half_open"),
        ("open", None, 1001.0, TRIAL[:2], "half_open"),  # the fewest that a limit may have
        ("open", None, 1001.0, (*TRIAL, 1005.0)[1:], "closed"),
        (
            "open",
            None,
            500.0,
            (1010.0 - BUDGET_RESET_SECONDS,) * 11,
            "closed",
        ),  # it stood the trial
        ("open", None, 1001.0, (1000.0,), "closed"),
    ],
)
def test_the_breaker_of_a_connection(
    state: str, cause: str | None, since: float, falls: tuple[float, ...], expected: str
) -> None:
    assert breaker(state, cause, since, falls, 1010.0) == expected


def test_a_record_on_trial_is_known_as_one() -> None:
    record = Intensity(limit=10, min_uptime=10).on_trial(5.0)
    assert breaker("connecting", None, 5.0, record.falls, 6.0) == "half_open"
    assert breaker("connecting", None, 5.0, record.fell(1.0, 7.0).falls, 8.0) == "closed"


@pytest.mark.parametrize(
    ("connection", "step"),
    [(wanted(), Configure()), (wanted(generation=1), StopActor("restart")), (DELETED, Logout())],
)
def test_settings_that_changed_reach_an_actor_that_stays(
    connection: Connection, step: Step
) -> None:
    def step_of(*, configured: bool, serving: int | None = 3) -> Step:
        return decide(
            connection,
            Applied(),
            lease("open"),
            serving,
            None,
            auto_recovery=True,
            now=NOW,
            configured=configured,
        )

    assert step_of(configured=False) == step
    assert not isinstance(step_of(configured=True), Configure)
    assert not isinstance(step_of(configured=False, serving=None), Configure)


@pytest.mark.parametrize(
    "refusal", [EngineNotInstalled, EngineRemoved, SessionBlocked, SessionTooNew]
)
def test_what_keeps_a_session_from_being_opened_is_met_once(
    refusal: type[EngineNotInstalled | EngineRemoved | SessionBlocked | SessionTooNew],
) -> None:
    """An actor reports an error by the name of its class; the lease has its code."""
    assert refusal.__name__ in FOR_GOOD
    assert refusal.code in UNREADABLE_CAUSES
