"""A session that is of no use any more, on a whole instance: unlinked, unknown, blocked, damaged."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from tests.integration.whole.shop import (
    A_LOOK,
    ACCOUNT,
    CONTACT,
    SHOP,
    STRANGER,
    alerted,
    arrived,
    becomes,
    fault,
    refused,
    scan,
    send,
    start,
    struck,
    waits,
)
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


def test_logout_is_a_way_out_of_a_session_that_whatsapp_does_not_know(
    instance: Instance,
) -> None:
    """No login is tried for it; what waits goes out after the same number scans, from no other."""
    number = refused(instance, 411)
    failed = becomes(instance, "failed", "bad_session")
    alerted(instance, "logout and start show a QR")
    directory = Settings.load(instance.data).sessions / instance.incarnation(SHOP)
    assert directory.exists()
    assert not (directory / "damaged").exists()
    message = send(instance, "while nothing helps")
    assert instance.api.post(f"/api/connections/{SHOP}/logout").status_code == 202
    out = becomes(instance, "logged_out", "asked")
    assert out["epoch"] == failed["epoch"] + 1
    assert out["account"] == failed["account"]
    assert struck(instance, number) == 1
    time.sleep(A_LOOK)
    assert instance.connection(SHOP)["epoch"] == out["epoch"]
    instance.simulator.delete("/faults")
    start(instance)
    becomes(instance, "pairing", "logged_out")
    assert waits(instance, message)
    shown = scan(instance, STRANGER)
    becomes(instance, "pairing", "other_account")
    until("another QR", lambda: instance.qr(SHOP) not in {None, shown} or None, 20)
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "while nothing helps") or None, 20)
    assert arrived(instance, "while nothing helps") == [ACCOUNT]


def test_a_file_where_the_session_belongs_is_left_alone_and_said(instance: Instance) -> None:
    instance.api.post(f"/api/connections/{SHOP}/stop").raise_for_status()
    becomes(instance, "stopped", None)
    directory = Settings.load(instance.data).sessions / instance.incarnation(SHOP)
    elsewhere = directory.with_name("elsewhere")
    directory.rename(elsewhere)
    try:
        directory.write_text("somebody's")
        start(instance)
        failed = becomes(instance, "failed", "session_blocked")
        alerted(instance, "Something else stands where its session belongs")
        time.sleep(A_LOOK)
        assert instance.connection(SHOP)["epoch"] == failed["epoch"]
        assert directory.read_text() == "somebody's"
    finally:
        directory.unlink()
        elsewhere.rename(directory)
    start(instance)
    becomes(instance, "open", None)


def test_unlinked_it_asks_for_a_qr_and_keeps_the_data(instance: Instance) -> None:
    """Messages that wait go out after the same number scans, and from no other account."""
    instance.say(CONTACT, ACCOUNT, "before it was unlinked")

    def kept() -> list[str]:
        return [item["text"] for item in instance.messages(connection=SHOP, direction="in")]

    until("it is stored", lambda: "before it was unlinked" in kept() or None, 10)
    fault(instance, "logout")
    becomes(instance, "pairing", "logged_out")
    # For a moment it is logged out, which is another alert, and then it waits for a phone.
    found = alerted(instance, "The device was unlinked; scan the QR", "connection_blocked")
    assert found["severity"] == "critical"
    message = send(instance, "while it is unlinked")
    shown = scan(instance, STRANGER)
    becomes(instance, "pairing", "other_account")
    alerted(instance, "The phone of another number scanned")
    until("another QR", lambda: instance.qr(SHOP) not in {None, shown} or None, 20)
    assert instance.simulator.get(f"/accounts/{STRANGER}").json()["devices"] == []
    assert waits(instance, message)
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "while it is unlinked") or None, 20)
    assert arrived(instance, "while it is unlinked") == [ACCOUNT]
    assert "before it was unlinked" in kept()


def damaged(instance: Instance, name: str) -> tuple[Path, bytes]:
    """Cut a file of the stopped connection in half; its directory, and what is left of the file."""
    instance.api.post(f"/api/connections/{SHOP}/stop").raise_for_status()
    becomes(instance, "stopped", None)
    directory = Settings.load(instance.data).sessions / instance.incarnation(SHOP)
    for beside in (f"{name}-wal", f"{name}-shm"):
        (directory / beside).unlink(missing_ok=True)
    content = (directory / name).read_bytes()
    content = content[: len(content) // 2]
    (directory / name).write_bytes(content)
    return directory, content


def test_a_damaged_session_is_moved_aside_and_the_account_stays_linked(instance: Instance) -> None:
    """The keys have a file of their own."""
    directory, content = damaged(instance, "session.db")
    message = send(instance, "after the damage")
    start(instance)
    becomes(instance, "open", None)
    assert instance.qr(SHOP) is None
    assert content in [each.read_bytes() for each in directory.glob("damaged/*/session.db")]
    until("it is sent", lambda: not waits(instance, message) or None, 20)
    until("it arrives", lambda: arrived(instance, "after the damage") or None, 20)
    shutil.rmtree(directory / "damaged")


def test_damaged_keys_are_kept_and_the_account_is_linked_anew(instance: Instance) -> None:
    directory, content = damaged(instance, "whatsmeow.db")
    message = send(instance, "after the keys")
    start(instance)
    becomes(instance, "failed", "bad_session")
    alerted(instance, "logout and start show a QR")
    assert waits(instance, message)
    assert instance.api.post(f"/api/connections/{SHOP}/logout").status_code == 202
    becomes(instance, "logged_out", "asked")
    start(instance)
    becomes(instance, "pairing", "logged_out")
    scan(instance)
    becomes(instance, "open", None)
    until("it is sent", lambda: arrived(instance, "after the keys") or None, 20)
    assert content in [each.read_bytes() for each in directory.glob("damaged/*/whatsmeow.db")]
    shutil.rmtree(directory / "damaged")
