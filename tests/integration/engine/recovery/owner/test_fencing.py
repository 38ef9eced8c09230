"""An owner that was frozen while another took over stores nothing once it is thawed (G6)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from tests.integration.engine.messages.addresses import lid_merge_child
from tests.integration.engine.messages.addresses.test_lid_merge import listed
from tests.integration.engine.recovery.owner import frozen_child
from tests.integration.engine.simulated import PATIENCE, ROOT, until


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.usefixtures("no_log_file")
@pytest.mark.parametrize("step", list(frozen_child.STEPS))
async def test_what_a_thawed_owner_had_read_is_not_stored_again(tmp_path: Path, step: str) -> None:
    """Under the LID, whose chat its successor has merged: nobody would merge it once more."""
    made = lid_merge_child.settings(tmp_path)
    documents = open_documents(made)
    await Connections(documents).create("shop", id="shop")
    with closing(Session.open(tmp_path / SESSION_FILE, 1)) as session:
        async with session.transaction():
            lid_merge_child.put(session, lid_merge_child.LID, 1)
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, frozen_child.__file__, tmp_path, step),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    try:
        await until(lambda: is_stopped(owner.pid))
        with closing(Session.open(tmp_path / SESSION_FILE, 2)) as successor:
            async with successor.transaction():
                successor.learn_lid(lid_merge_child.LID, lid_merge_child.NUMBER)
            await lid_merge_child.drain(successor, made)
        stored = await listed(documents)
        assert [one["chat"] for one in stored] == [lid_merge_child.NUMBER]
        assert is_stopped(owner.pid)
        os.kill(owner.pid, signal.SIGCONT)
        async with asyncio.timeout(PATIENCE):
            said, _ = await owner.communicate()
        assert (said.decode().splitlines()[-1], owner.returncode) == ("lost", 0)
        assert await listed(documents) == stored
    finally:
        if owner.returncode is None:
            owner.kill()
            await owner.wait()
        await documents.close()
