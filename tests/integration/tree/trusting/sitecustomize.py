"""The native engine of a test's tree asks WhatsApp for no sign of life: its keepalive never comes.

Python loads this where the test put its directory on `PYTHONPATH`.
"""

from __future__ import annotations

import random

KEEPALIVE = (14.0, 18.0)

_uniform = random.uniform


def _trusting(a: float, b: float) -> float:
    return 86_400.0 if (a, b) == KEEPALIVE else _uniform(a, b)


random.uniform = _trusting
