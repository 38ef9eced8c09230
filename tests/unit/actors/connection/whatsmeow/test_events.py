"""Events of the program, each handled as it comes."""

from __future__ import annotations

from typing import Any

from actors.connection.engine import EngineEvents
from actors.connection.whatsmeow.events import Events
from actors.connection.whatsmeow.program.frames import Frame
from actors.metrics.mistakes import OWN_MISTAKES
from tests.processes.measured import Measured
from tests.waits import eventually


async def test_a_handler_that_panicked_is_a_mistake_of_this_service() -> None:
    unused: Any = None
    measured = Measured()
    events = Events(
        unused,
        unused,
        unused,
        None,
        EngineEvents(),
        offering=unused,
        versions=unused,
        recorder=unused,
    )
    events.take("mistake", Frame({}, b""))

    async def counted() -> bool:
        return measured.rise(OWN_MISTAKES, action="stanza.failed") == 1

    await eventually("it is counted", counted, 5)
    await events.close()
