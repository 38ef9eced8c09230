"""A root that Ray put on a host which does not share the directory (G6, G8)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from actors.config.sources import resolve_settings

if TYPE_CHECKING:
    from pathlib import Path

ROOT = """
import asyncio
import sys
from supervision.root import RootSupervisor

async def live():
    root = RootSupervisor(sys.argv[1])
    await asyncio.sleep(30)

asyncio.run(live())
"""


def test_it_ends_and_touches_nothing(tmp_path: Path) -> None:
    """It would find no state there: it would stop connections that it does not know."""
    resolve_settings(data=tmp_path, ray_address="127.0.0.1:1").save()
    done = subprocess.run(
        [sys.executable, "-c", ROOT, str(tmp_path)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "NotShared" in (tmp_path / "logs" / "root.log").read_text()
    assert not (tmp_path / "state.db").exists()
    assert not (tmp_path / "run").exists()
