"""G5: edits under the secret of their message, at whatever step the engine dies.

The secret commits with the message that brings it: an edit that comes after a crash is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Edit, decode
from tests.integration.engine.recovery.test_crash import died, prepare, resends, start
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, device, until

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 10


@pytest.mark.parametrize("point", ["before_inbox_commit", "before_ack", "after_ack"])
@pytest.mark.parametrize("at", [3, COUNT + 3], ids=["among messages", "among edits"])
async def test_killed_while_receiving(
    simulator: Simulator, tmp_path: Path, point: str, at: int
) -> None:
    await prepare(simulator, tmp_path, talked=True)
    texts = [f"frist {number}" for number in range(COUNT)]
    ids = [await simulator.says(CONTACT, ACCOUNT, text=text, secret=True) for text in texts]
    for number, target in enumerate(ids):
        edit = {"type": "edit", "target": target, "text": f"first {number}", "encrypted": True}
        await simulator.says(CONTACT, ACCOUNT, **edit)
    await died(start(simulator, tmp_path, point, at=at, sends=[]), tmp_path)
    waiting = (await simulator.account(ACCOUNT))["unacknowledged"]
    print(f"{point}: {waiting} of {2 * COUNT} in flight at the kill")
    assert waiting > 0
    async with device(simulator, tmp_path, epoch=3) as phone:

        async def all_came() -> bool:
            return len(await phone.messages()) == 2 * COUNT

        await until(all_came)
        assert await simulator.owed() == []
        found = await phone.messages()
    assert resends(tmp_path) == 0
    assert [one.text for one in found[:COUNT]] == texts
    edits = [decode(one.content or "") for one in found[COUNT:]]
    assert [one.text for one in edits if isinstance(one, Edit)] == [
        f"first {number}" for number in range(COUNT)
    ]
