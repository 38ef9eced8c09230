"""G2, G4, G5: killed at each step of two lanes that become one, while messages of both leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.integration.engine.recovery.owner import renaming_child
from tests.processes.step_kills import kill_at_each_step
from tests.processes.valkey import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey


async def test_the_next_owner_goes_on_and_each_message_is_there_in_its_order(
    own_server: Valkey, tmp_path: Path
) -> None:
    """At each commit, each call of Redis about names, each call of the store and each send."""
    values = {
        "redis_host": "127.0.0.1",
        "redis_port": own_server.port,
        "redis_password": PASSWORD,
        "queue_concurrency": 3,
    }
    await kill_at_each_step(renaming_child.__file__, str(tmp_path), json.dumps(values), seconds=110)
