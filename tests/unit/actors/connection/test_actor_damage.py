"""An owner looks at every page of its session before it opens it, while the event loop goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actors.connection.actor import ConnectionActor
from actors.connection.session.session import Session, SessionDamaged
from tests.integration.backup.test_incomplete import page_damaged

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_page_that_nobody_reads_is_found_before_the_session_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "session.db"
    Session.open(file, 7).close()
    looks, check = list[threading.Thread](), Session.check

    def look(path: Path) -> object:
        looks.append(threading.current_thread())
        return check(path)

    monkeypatch.setattr(Session, "check", staticmethod(look))
    assert await ConnectionActor._look(file, None) == (7, None)
    page_damaged(file)
    epoch, damage = await ConnectionActor._look(file, None)
    assert (epoch, type(damage)) == (0, SessionDamaged)
    assert threading.current_thread() not in looks
    assert len(looks) == 2
