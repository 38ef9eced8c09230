"""The root starts anew with each head of Ray: what it loads and does not need is paid for each time."""

from __future__ import annotations

import subprocess
import sys


def test_the_root_loads_nothing_for_a_consoles_colours() -> None:
    asked = "import sys, supervision.root; print('rich' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "False\n"
