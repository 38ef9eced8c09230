"""G5: edits under the secret of their message, at whatever step the engine dies.

The secret commits with the message that brings it: an edit that comes after a crash is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Edit, decode
from tests.integration.engine.recovery.owner.test_crash import (
    counted,
    died,
    prepare,
    resends,
    start,
)
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


@pytest.mark.parametrize(
    ("point", "at"),
    [
        ("before_edit_is_kept", 3),
        ("before_ack", COUNT + 3),
        ("before_edit_is_opened", 3),
        ("before_answer_receipt", 3),
    ],
)
async def test_killed_while_edits_wait_for_their_messages(
    simulator: Simulator, tmp_path: Path, point: str, at: int
) -> None:
    """The messages come without their content, and the account's phone hands it over after the edits."""
    await prepare(simulator, tmp_path, talked=True)
    said = {"secret": True, "unavailable": "plain"}
    texts = [f"frist {number}" for number in range(COUNT)]
    ids = [await simulator.says(CONTACT, ACCOUNT, text=text, **said) for text in texts]
    for number, target in enumerate(ids):
        edit = {"type": "edit", "target": target, "text": f"first {number}", "encrypted": True}
        await simulator.says(CONTACT, ACCOUNT, **edit)
    await died(start(simulator, tmp_path, point, at=at, sends=[], batch=2), tmp_path)
    kept = counted(tmp_path, "SELECT count(*) FROM sealed_edits")
    print(f"{point}: {kept} of {COUNT} edits waited at the kill")
    async with device(simulator, tmp_path, epoch=3) as phone:

        async def all_came() -> bool:
            found = [one.content for one in await phone.messages() if one.content is not None]
            return len(found) == COUNT

        await until(all_came)
        assert await simulator.owed() == []
        found = {one.message_id: one for one in await phone.messages()}
    assert len(found) == 2 * COUNT
    assert [found[target].text for target in ids] == texts
    edits = [decode(one.content) for one in found.values() if one.content is not None]
    assert {one.target.message_id: one.text for one in edits if isinstance(one, Edit)} == {
        target: f"first {number}" for number, target in enumerate(ids)
    }
    assert counted(tmp_path, "SELECT count(*) FROM sealed_edits") == 0
