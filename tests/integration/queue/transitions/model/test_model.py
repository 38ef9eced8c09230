"""Random interleavings, found and shrunk by hypothesis: the scripts against a plain model (`model.py`).

The server is real and is killed in between. After every step all records, counts and places agree;
at the end, when all is sent, no key is left over. The rules are in `owner_rules.py` and `machine.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.queue.transitions.model.machine import Machine

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey

WANTED = {"claimed", "waiting", "dead", "redriven", "deferred", "lifted", "joined", "left"}
UNPACED = {"poison", "pruned", "busy"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.3, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(("interval", "gap"), [(0, 0), (2, 0), (0, 5), (1, 3)])
def test_the_scripts_do_what_the_model_does(
    own_server: Valkey, interval: float, gap: float, share: float
) -> None:
    """`share` of the runs, and more of them until everything that is wanted has happened."""
    seen: Counter[str] = Counter()
    given = {"server": own_server, "interval": interval, "gap": gap, "seen": seen}
    machine = type("Machine", (Machine,), given)
    wanted = WANTED | ({"paced"} if interval or gap else UNPACED)
    for number in range(int(5 / share)):
        # The draws depend on the modules that are loaded, so on the tests that ran before.
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=int(share * (10 if interval or gap else 30)),
                stateful_step_count=60,
                deadline=None,
                phases=[Phase.generate],  # add Phase.shrink for the shortest way there: minutes
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if all(seen[name] for name in wanted):
            return
    pytest.fail(f"what never happened was not compared: {seen}")
