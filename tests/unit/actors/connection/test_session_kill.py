"""Killed at any moment, the ratchet, the prekeys and the inbox agree (G5)."""

from __future__ import annotations

import os
import random
import signal as signals
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from actors.connection.native.signal.device_sessions import (
    Bundle,
    Signal,
    Undecryptable,
    new_credentials,
)
from actors.connection.session.session import Session
from tests.processes import forked

BOB = "15550100001@s.whatsapp.net"
KILLS = 12
MESSAGES = 900


class Receiver:
    """The child, and what it said. The pipe is read to its end: what was said before the kill counts."""

    def __init__(self, path: Path, epoch: int) -> None:
        self.process = forked.Popen(
            [sys.executable, str(Path(__file__).with_name("receiving_child.py")), path, str(epoch)],
            cwd=Path(__file__).resolve().parents[4],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[4])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        assert self.process.stdout.readline() == "ready\n"
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(line.strip() for line in self.process.stdout if line.endswith("\n"))

    def feed(self, lines: list[str]) -> None:
        def write() -> None:
            assert self.process.stdin is not None
            try:
                with self.process.stdin as pipe:
                    pipe.write("".join(lines))
            except BrokenPipeError:
                pass  # it was killed meanwhile

        self._feeding = threading.Thread(target=write)
        self._feeding.start()

    def kill(self, after_lines: int, delay: float) -> int:
        """Kill it `delay` seconds after it said so much."""
        while len(self.said) < after_lines and self.process.poll() is None:
            time.sleep(0.0002)
        time.sleep(delay)
        self.process.send_signal(signals.SIGKILL)
        return self.end()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait(60)
        self._feeding.join()
        self._reading.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


async def test_a_receiver_killed_at_random_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """G5: 12 kills while messages flow; every message is in the inbox exactly once.

    The sender's order is kept but for the unacknowledged, which come again, as from WhatsApp.
    """
    dice = random.Random(20)
    path = tmp_path / "bob.db"
    with closing(Session.open(tmp_path / "alice.db", 1)) as alice:
        bundle = await _register(alice, path)
        sender = Signal(alice)
        unacknowledged: dict[str, str] = {}
        async with alice.transaction():
            await sender.establish(BOB, bundle)
            for n in range(MESSAGES):
                kind, data = await sender.encrypt(BOB, f"text {n}".encode())
                unacknowledged[f"M{n}"] = f"M{n} {kind} {data.hex()}\n"
        in_flight, kills, epoch = [], 0, 1
        while unacknowledged:
            epoch += 1
            receiver = Receiver(path, epoch)
            before = len(unacknowledged)
            try:
                receiver.feed(list(unacknowledged.values()))
                killing = kills < KILLS
                if killing:
                    code = receiver.kill(dice.randrange(70), dice.uniform(0, 0.004))
                    assert code == -signals.SIGKILL, "the kill did not reach it"
                else:
                    assert receiver.end() == 0
            finally:
                receiver.process.kill()
            for line in receiver.said:
                await _judge(line, unacknowledged, alice, sender)
            if killing:
                kills += 1
                in_flight.append((before - len(unacknowledged), len(unacknowledged)))
        assert kills == KILLS
        assert all(left for _, left in in_flight), "an idle process was killed"
        print(f"(acknowledged, in flight) at each kill: {in_flight}")
    with closing(Session.open(path, epoch + 1)) as bob:
        inbox = bob.inbox.pending("message", 10_000)
        assert sorted((one.message_id, one.text) for one in inbox) == sorted(
            (f"M{n}", f"text {n}") for n in range(MESSAGES)
        )
        assert bob.rows("SELECT id FROM prekeys WHERE published = 1") == []


async def _register(alice: Session, path: Path) -> Bundle:
    async with alice.transaction():
        alice.credentials.save(new_credentials())
    with closing(Session.open(path, 1)) as bob:
        own = new_credentials()
        async with bob.transaction():
            bob.credentials.save(own)
            ((prekey_id, prekey),) = Signal(bob).make_prekeys(1)
    key = own.signed_prekey
    return Bundle(
        own.registration_id,
        own.identity_public,
        key.id,
        key.public,
        key.signature,
        prekey_id,
        prekey,
    )


async def _judge(line: str, unacknowledged: dict[str, str], alice: Session, sender: Signal) -> None:
    what, *rest = line.split()
    assert what != "refused", line
    if what == "have":
        unacknowledged.pop(rest[0])
        return
    kind: Any = rest[0]
    await sender.prepare(BOB, kind, bytes.fromhex(rest[1]))
    try:
        async with alice.transaction():
            assert await sender.decrypt(BOB, kind, bytes.fromhex(rest[1])) == b"answer"
    except Undecryptable as refused:
        raise AssertionError(f"a ratchet key was used twice: {refused.reason}") from refused
