"""One fault on one connection that carries messages both ways, and the verdict on them."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from tests.chaos.harness.judge import settled, verdict
from tests.chaos.harness.traffic import Traffic
from tests.processes.instance import gone
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    import psutil

    from tests.chaos.harness.judge import Verdict
    from tests.processes.instance import Instance
    from tests.run.figures import Figure


class Trial:
    """Nothing is lost, doubled or reordered, and each fault met messages in flight.

    It is left once every message has arrived, or fails; what is `told` of it becomes its figure
    together with the verdict, also where that is a bad one. A trial without a fault fails.
    """

    def __init__(
        self, instance: Instance, connection: str, account: str, figure: Figure, *, chats: int = 3
    ) -> None:
        self.traffic = Traffic(instance, connection, account, chats)
        self.told = ""
        self.verdict: Verdict | None = None
        self._figure = figure
        self._struck: list[float] = []

    def __enter__(self) -> Self:
        self.traffic.__enter__()
        try:
            self.traffic.flow()
        except BaseException as error:
            self.traffic.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.traffic.__exit__(kind)
        if kind is not None:
            return
        assert self._struck, "nothing struck: this proves nothing"
        fates = settled(self.traffic)
        verdicts = [verdict(fates, at) for at in self._struck]
        self.verdict = min(verdicts, key=lambda one: one.in_flight)
        # Of these alone the simulator tells when they arrived, by a clock that no test sets.
        flying = [
            sum(
                fate.given_at < at < (fate.arrived_at or 0.0)
                for fate in fates
                if fate.lane.direction == "out"
            )
            for at in self._struck
        ]
        refused = self.traffic.refused.total()
        self._figure(
            f"{self.told}; {f'{refused} refused, ' if refused else ''}{self.verdict}".lstrip("; ")
        )
        self.verdict.require_clean()
        assert min(flying) > 0, "nothing was on its way: the fault proves nothing"

    @contextmanager
    def struck(self) -> Iterator[None]:
        """Ensures that a fault inside of it meets messages in flight.

        They were accepted before, and none of them can arrive until it is left.
        """
        self.traffic.hold()
        self._struck.append(time.time())
        try:
            yield
        finally:
            self.traffic.calm()

    @property
    def struck_at(self) -> float:
        """When the last fault struck, by the wall clock."""
        return self._struck[-1]

    def kill(self, *processes: psutil.Process) -> None:
        """`kill -9` of all of them at once, and see that they are gone."""
        with self.struck():
            for process in processes:
                process.send_signal(signal.SIGKILL)
            for process in processes:
                until(f"{process.pid} is dead", partial(gone, process), 5)

    @contextmanager
    def during(self, fault: AbstractContextManager[object]) -> Iterator[None]:
        """A fault that lasts until this is left; it begins while messages are in flight."""
        with self.struck():
            fault.__enter__()
        try:
            yield
        except BaseException as error:
            fault.__exit__(type(error), error, error.__traceback__)
            raise
        fault.__exit__(None, None, None)
