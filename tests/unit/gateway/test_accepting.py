"""A message that the drain moves while somebody looks for it is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from actors.queue.lanes import Send
from actors.queue.spool import Spool
from gateway.accepting import Accepting

if TYPE_CHECKING:
    from pathlib import Path

    from actors.queue.lanes import Lanes, Record
    from gateway.drain import Drain


class MovedAfterTheLook:
    """A queue that does not have the message; it has been moved there when the look is over."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def get(self, id: str) -> Record | None:  # noqa: A002 - the field's word
        del id
        await self._spool.remove(await self._spool.oldest(1))
        return None


async def test_the_drain_hides_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", limit=10)
    spooled, _ = await spool.put(Send("shop", "15550100002@s.whatsapp.net", "hi"))
    lanes = cast("Lanes", MovedAfterTheLook(spool))
    drain: Any = cast("Drain", None)
    found = await Accepting(lanes, spool, drain).get(spooled.record.id)
    assert found == spooled.record
    assert (await spool.depth()).count == 0
    await spool.close()
