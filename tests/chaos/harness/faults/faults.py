"""Each fault: how it strikes, how one sees that it reached, when it is over, and its bound.

The bounds are those of the design's table of faults, in seconds, for a machine of two cores that
does nothing else. Here both cores are busy with the load, so a run allows `LENIENCE` times that,
never less than `LEAST`, and never more than `MOST` beyond it.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import psutil

from actors.connection.whatsmeow.program.executable import EXECUTABLE_NAME as PROGRAM
from supervision.keeper import process as processes
from tests.chaos.harness.traffic import HELD
from tests.processes.instance import gone, until
from tests.waits import passes

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.reports.process_files import ProcessEntry
    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party

LENIENCE, LEAST, MOST = 3.0, 20.0, 30.0

REACH = 15.0
"""Seconds within which a fault that waits for its moment has to meet it under this load."""

SOCKETS = ("drop", "abort", "stream_error")
"""Faults of the simulator in open sockets, with or without messages in flight."""

AWAY = 60.0
"""Seconds for which Valkey is away."""


@dataclass
class Struck:
    """A fault that reached at `at`, a time of the wall clock.

    Recovery counts from `over`, where the fault lasts; `back` says that the part is there again;
    `met` that messages were struck themselves, so that some were on their way for certain; `broke`
    which promise the fault itself saw broken.
    """

    at: float
    back: Callable[[], bool] = lambda: True
    over: float | None = None
    met: bool = False
    broke: str | None = None


@dataclass(frozen=True)
class Fault:
    """`scope` says whose conversations it ends; all others go on, served by the same process.

    `alert` is the name of one that has to be raised meanwhile, and cleared afterwards. `long` ones
    take a while, and are left to `make chaos`. Beside one that strikes `alone` no connection is struck.
    """

    name: str
    bound: float
    strike: Callable[[Scene, Party], Struck]
    scope: Literal["nobody", "connection", "everybody"] = "connection"
    alert: str | None = None
    long: bool = False
    alone: bool = False

    @property
    def limit(self) -> float:
        """Seconds after which a recovery is a violation."""
        return max(min(LENIENCE * self.bound, self.bound + MOST), LEAST)


def holder(scene: Scene, role: str, connection: str | None = None) -> psutil.Process:
    """Returns the process of a role by `teimoso status`; waits for one under construction."""

    def look() -> psutil.Process | None:
        try:
            return scene.instance.process(role, connection)
        except AssertionError:
            return None

    return until(f"there is a {role}", look, REACH)


def killed(process: psutil.Process) -> float:
    """`kill -9`, and see that it arrived; when."""
    at = time.time()
    process.send_signal(signal.SIGKILL)
    until(f"{process.pid} is dead", lambda: gone(process) or None, 5)
    return at


def _kill(role: str) -> Callable[[Scene, Party], Struck]:
    def strike(scene: Scene, party: Party) -> Struck:
        connection = party.connection if role == "connection" else None
        process = holder(scene, role, connection)
        scene.burst(party)
        at = killed(process)
        return Struck(at, lambda: scene.replaced(role, process.pid, connection))

    return strike


def _kill_program(scene: Scene, party: Party) -> Struck:
    """The process that started it goes on, and starts another one."""

    def look() -> ProcessEntry | None:
        owned = [one for one in scene.instance.entries() if one.connection == party.connection]
        return next(iter(processes.programs(owned, PROGRAM)), None)

    def back() -> bool:
        now = look()
        return now is not None and now.pid != program.pid and owner.is_running()

    owner = holder(scene, "connection", party.connection)
    program = psutil.Process(until("there is a program", look, REACH).pid)
    scene.burst(party)
    return Struck(killed(program), back)


def _kill_keeper(scene: Scene, party: Party) -> Struck:
    """As systemd would, `teimoso up` brings it back."""
    process = holder(scene, "keeper")
    scene.burst(party)
    at = killed(process)
    scene.instance.up()
    return Struck(at, lambda: scene.replaced("keeper", process.pid))


def _kill_everything(scene: Scene, _: Party) -> Struck:
    with scene.crowded():
        dead = scene.instance.kill_everything()
    at = scene.instance.killed_at
    assert len(dead) > len(scene.parties)
    scene.instance.up()
    return Struck(at, lambda: bool(scene.instance.status()["ready"]))


def _stop(role: str) -> Callable[[Scene, Party], Struck]:
    """SIGSTOP for good: who watches it has to end it."""

    def strike(scene: Scene, party: Party) -> Struck:
        connection = party.connection if role == "connection" else None
        process = holder(scene, role, connection)
        scene.burst(party)
        at = time.time()
        process.send_signal(signal.SIGSTOP)
        until(f"{role} stands still", lambda: process.status() == "stopped" or None, 5)

        def back() -> bool:
            return scene.replaced(role, process.pid, connection)

        return Struck(at, back)

    return strike


def _pause(role: str, seconds: float) -> Callable[[Scene, Party], Struck]:
    """SIGSTOP, and SIGCONT before anybody gives it up. Recovery counts from the thaw."""

    def strike(scene: Scene, party: Party) -> Struck:
        connection = party.connection if role == "connection" else None
        process = holder(scene, role, connection)
        scene.burst(party)
        at = time.time()
        process.send_signal(signal.SIGSTOP)
        until(f"{role} stands still", lambda: process.status() == "stopped" or None, 5)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        return Struck(at, process.is_running, over=time.time())

    return strike


def _valkey_away(scene: Scene, party: Party) -> Struck:
    """Killed, while the keeper stands still and cannot start another."""
    keeper = holder(scene, "keeper")
    with scene.load.redis_away():
        keeper.send_signal(signal.SIGSTOP)
        try:
            valkey = holder(scene, "valkey")
            scene.burst(party)
            at = killed(valkey)
            time.sleep(AWAY)
        finally:
            keeper.send_signal(signal.SIGCONT)
        assert passes(lambda: scene.replaced("valkey", valkey.pid), 30), "Valkey does not come back"
    return Struck(at, over=time.time())


def _whatsapp(kind: str, times: int = 1, **fields: Any) -> Callable[[Scene, Party], Struck]:
    """A fault of the simulator, which has to strike so often."""

    def strike(scene: Scene, party: Party) -> Struck:
        scene.burst(party)
        at = time.time()
        fault = scene.begin_fault(party, kind, **fields)
        assert passes(lambda: scene.struck(fault) >= times, REACH), f"{kind} never struck"
        return Struck(at, met=kind not in SOCKETS)

    return strike


def _for_a_while(kind: str, seconds: float, **fields: Any) -> Callable[[Scene, Party], Struck]:
    """A fault that lasts; recovery counts from its end."""

    def strike(scene: Scene, party: Party) -> Struck:
        scene.burst(party)
        at = time.time()
        fault = scene.begin_fault(party, kind, seconds=seconds, **fields)
        assert scene.struck(fault), f"{kind} reached no socket"
        time.sleep(seconds)
        return Struck(at, over=time.time())

    return strike


def _reject_logins(scene: Scene, party: Party) -> Struck:
    scene.burst(party)
    at = time.time()
    rejecting = scene.begin_fault(party, "reject_login", count=2, reason=503)
    scene.begin_fault(party, "drop")
    assert passes(lambda: scene.struck(rejecting) >= 2, REACH), "no login was rejected"
    return Struck(at)


def _replaced(scene: Scene, party: Party) -> Struck:
    """Another client took the session: it stays away until a person says otherwise."""
    api, path = scene.instance.api, f"/api/connections/{party.connection}"
    scene.burst(party)
    fault = scene.begin_fault(party, "replaced")
    assert scene.struck(fault), "replaced reached no socket"
    scene.load.burst(party, HELD)  # what was said before may be through
    at = time.time()  # what was given before may have arrived before: it says nothing of a recovery
    assert passes(lambda: api.get(path).json()["state"] == "failed", 15), "it did not stop"
    time.sleep(2)  # so that a round of the monitor sees it
    asked = time.time()
    assert passes(lambda: api.post(f"{path}/start").is_success, 15), "it cannot be started"
    return Struck(at, over=asked)


FAULTS = (
    Fault("kill connection", 3, _kill("connection")),
    Fault("kill program", 3, _kill_program),
    Fault("kill queue", 3, _kill("queue"), "nobody"),
    Fault("kill state", 3, _kill("state"), "nobody"),
    Fault("kill health", 3, _kill("health"), "nobody"),
    Fault("kill standby", 3, _kill("standby"), "nobody"),
    Fault("kill root", 10, _kill("root"), "nobody"),
    Fault("kill gateway", 5, _kill("gateway"), "nobody"),
    Fault("kill keeper", 5, _kill_keeper, "nobody"),
    Fault("kill valkey", 5, _kill("valkey"), "nobody"),
    Fault("kill simulator", 5, _kill("simulator"), "everybody", alone=True),
    Fault("kill ray", 45, _kill("ray"), "everybody", long=True, alone=True),
    Fault("kill everything", 45, _kill_everything, "everybody", long=True, alone=True),
    Fault("stop connection", 15, _stop("connection"), long=True),
    Fault("stop queue", 15, _stop("queue"), "nobody", long=True),
    Fault("stop state", 15, _stop("state"), "nobody", long=True),
    Fault("stop health", 15, _stop("health"), "nobody", long=True),
    Fault("stop root", 25, _stop("root"), "nobody", long=True),
    Fault("stop gateway", 20, _stop("gateway"), "nobody", long=True),
    Fault("stop valkey", 45, _stop("valkey"), "nobody", long=True, alone=True),
    Fault("pause connection", 3, _pause("connection", 2)),
    Fault("pause valkey", 5, _pause("valkey", 2), "nobody"),
    Fault("pause gateway", 5, _pause("gateway", 2), "nobody"),
    Fault("pause root", 5, _pause("root", 2), "nobody"),
    Fault("pause keeper", 5, _pause("keeper", 2), "nobody"),
    Fault("pause simulator", 5, _pause("simulator", 2), "everybody", alone=True),
    Fault("valkey away a minute", 5, _valkey_away, "nobody", "redis_away", long=True, alone=True),
    Fault("drop", 3, _whatsapp("drop")),
    Fault("abort", 3, _whatsapp("abort")),
    Fault("stream error 515", 3, _whatsapp("stream_error", code=515)),
    Fault("withhold acks", 10, _whatsapp("withhold_acks", 2, count=2)),
    Fault("delay acks", 5, _whatsapp("delay_acks", 3, count=3, seconds=1)),
    Fault("refuse with acks", 5, _whatsapp("error_acks", 2, count=2, code=500)),
    Fault("swallow", 10, _whatsapp("swallow", 2, count=2)),
    Fault("duplicate acks", 3, _whatsapp("duplicate_acks", 3, count=3)),
    Fault("duplicate", 3, _whatsapp("duplicate", 3, count=3)),
    Fault("garble", 5, _whatsapp("garble", count=1)),
    Fault("conceal", 3, _whatsapp("conceal", 3, count=3)),
    Fault("lose a frame", 3, _whatsapp("lose", count=1)),
    Fault("corrupt a frame", 3, _whatsapp("corrupt", count=1)),
    Fault("reject logins", 5, _reject_logins),
    Fault("freeze", 5, _for_a_while("freeze", 3)),
    Fault("ban for a while", 5, _for_a_while("ban", 4), alert="connection_blocked"),
    Fault("replaced", 5, _replaced, alert="connection_failed"),
)
SHARED = tuple(fault for fault in FAULTS if fault.scope != "connection")
SINGLE = tuple(fault for fault in FAULTS if fault.scope == "connection")
