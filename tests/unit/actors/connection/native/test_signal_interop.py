"""The Signal layer against two implementations that share no code with it, each in a process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import pytest

from actors.connection.native.signal.device_sessions import (
    Bundle,
    Signal,
    Undecryptable,
    new_credentials,
)
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ADDRESS = "15550100002@s.whatsapp.net"
Kind = Literal["pkmsg", "msg"]


class Peer:
    """The process, asked one command at a time."""

    def __init__(self, library: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(f"{library}_peer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do} | arguments) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def bundle(self, *, prekey: bool = True) -> Bundle:
        made: dict[str, Any] = self.ask("bundle", prekey=prekey)
        for name, value in made.items():
            made[name] = bytes.fromhex(value) if isinstance(value, str) else value
        return Bundle(**made)

    def encrypt(self, plaintext: bytes, session: int = 0) -> tuple[Kind, bytes]:
        made = self.ask("encrypt", plaintext=plaintext.hex(), session=session)
        return made["kind"], bytes.fromhex(made["data"])

    def decrypt(self, kind: str, data: bytes) -> bytes:
        found = self.ask("decrypt", kind=kind, data=data.hex())
        assert "plaintext" in found, found
        return bytes.fromhex(found["plaintext"])


class Device:
    """Our side: a session file and its Signal layer."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.signal = Signal(session)

    async def bundle(self, *, prekey: bool = True) -> dict[str, Any]:
        own = self.session.credentials.read()
        assert own is not None
        out: dict[str, Any] = {
            "identity_key": own.identity_public.hex(),
            "signed_prekey_id": own.signed_prekey.id,
            "signed_prekey": own.signed_prekey.public.hex(),
            "signed_prekey_signature": own.signed_prekey.signature.hex(),
        }
        if prekey:
            async with self.session.transaction():
                ((prekey_id, public),) = self.signal.make_prekeys(1)
            out |= {"prekey_id": prekey_id, "prekey": public.hex()}
        return out

    async def establish(self, bundle: Bundle) -> bool:
        async with self.session.transaction():
            return await self.signal.establish(ADDRESS, bundle)

    async def encrypt(self, plaintext: bytes) -> tuple[Kind, bytes]:
        async with self.session.transaction():
            return await self.signal.encrypt(ADDRESS, plaintext)

    async def decrypt(self, kind: Kind, data: bytes) -> bytes:
        await self.signal.prepare(ADDRESS, kind, data)
        async with self.session.transaction():
            return await self.signal.decrypt(ADDRESS, kind, data)


@pytest.fixture(params=["pywhats", "pyaileys"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Either one."""
    with Peer(request.param) as one:
        yield one


@pytest.fixture
def archivist() -> Iterator[Peer]:
    """The one that keeps several sessions."""
    with Peer("pywhats") as one:
        yield one


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    session = Session.open(tmp_path / "session.db", 1)
    async with session.transaction():
        session.credentials.save(new_credentials())
    yield Device(session)
    session.close()


@pytest.mark.parametrize("prekey", [True, False])
async def test_the_initiator_is_understood_and_hears_back(
    peer: Peer, device: Device, *, prekey: bool
) -> None:
    assert await device.establish(peer.bundle(prekey=prekey)) is False
    for text in (b"one", b"two"):
        kind, data = await device.encrypt(text)
        assert kind == "pkmsg"
        assert peer.decrypt(kind, data) == text
    kind, data = peer.encrypt(b"heard")
    assert (kind, await device.decrypt(kind, data)) == ("msg", b"heard")
    kind, data = await device.encrypt(b"three")
    assert (kind, peer.decrypt(kind, data)) == ("msg", b"three")


@pytest.mark.parametrize("prekey", [True, False])
async def test_the_responder_understands_and_answers(
    peer: Peer, device: Device, *, prekey: bool
) -> None:
    peer.ask("establish", bundle=await device.bundle(prekey=prekey))
    for text in (b"one", b"two"):
        kind, data = peer.encrypt(text)
        assert kind == "pkmsg"
        assert await device.decrypt(kind, data) == text
    assert device.session.rows("SELECT id FROM prekeys WHERE published = 1") == []
    kind, data = await device.encrypt(b"answer")
    assert (kind, peer.decrypt(kind, data)) == ("msg", b"answer")


async def test_signatures_with_either_sign_are_verified(device: Device) -> None:
    """Libsignal's form sets the sign bit for half of all keys, and both forms verify ours."""
    signs: set[int] = set()
    while len(signs) < 2:
        with Peer("pyaileys") as peer:
            bundle = peer.bundle()
            signs.add(bundle.signed_prekey_signature[63] >> 7)
            await device.establish(bundle)
            assert peer.decrypt(*await device.encrypt(b"hello")) == b"hello"


@pytest.mark.parametrize("seed", range(3))
async def test_a_long_conversation_in_any_order(peer: Peer, device: Device, seed: int) -> None:
    """200 messages both ways, held back, shuffled across direction changes, some lost."""
    dice = random.Random(seed)
    await device.establish(peer.bundle())
    to_peer: list[tuple[Kind, bytes, bytes]] = []
    to_device: list[tuple[Kind, bytes, bytes]] = []
    sent = 0
    heard = {"peer": 0, "device": 0}
    first = await device.encrypt(b"first")
    assert peer.decrypt(*first) == b"first"
    while sent < 200 or to_peer or to_device:
        act = dice.random()
        if sent < 200 and act < 0.5:
            text = dice.randbytes(dice.randrange(60))
            sent += 1
            if dice.random() < 0.5:
                to_peer.append((*await device.encrypt(text), text))
            else:
                to_device.append((*peer.encrypt(text), text))
            continue
        queue = to_peer if (act < 0.75 and to_peer) or not to_device else to_device
        if not queue:
            continue
        # Mostly the oldest, so that no message falls more than five ratchet steps behind.
        place = 0 if len(queue) > 3 else dice.randrange(len(queue))
        kind, data, text = queue.pop(place)
        if dice.random() < 0.05:
            continue  # lost
        if queue is to_peer:
            assert peer.decrypt(kind, data) == text
            heard["peer"] += 1
        else:
            assert await device.decrypt(kind, data) == text
            heard["device"] += 1
            with pytest.raises(Undecryptable):
                await device.decrypt(kind, data)
    assert min(heard.values()) > 60


async def test_many_direction_changes(peer: Peer, device: Device) -> None:
    peer.ask("establish", bundle=await device.bundle())
    for turn in range(150):
        text = str(turn).encode()
        assert await device.decrypt(*peer.encrypt(text)) == text
        assert peer.decrypt(*await device.encrypt(text)) == text
    stored = device.session.keys.current_ratchet(ADDRESS)
    assert stored is not None
    assert len(stored.state) < 4_000, "what a session keeps does not grow with its age"


async def test_the_last_message_of_a_chain_comes_after_the_turn(peer: Peer, device: Device) -> None:
    await device.establish(peer.bundle())
    assert peer.decrypt(*await device.encrypt(b"hello")) == b"hello"
    late = [peer.encrypt(text) for text in (b"a", b"b", b"c")]
    assert await device.decrypt(*late[0]) == b"a"
    assert peer.decrypt(*await device.encrypt(b"turn")) == b"turn"
    assert await device.decrypt(*peer.encrypt(b"d")) == b"d"
    assert await device.decrypt(*late[2]) == b"c"
    assert await device.decrypt(*late[1]) == b"b"


async def test_a_new_session_over_an_old_one_and_back(archivist: Peer, device: Device) -> None:
    await device.establish(archivist.bundle())
    assert archivist.decrypt(*await device.encrypt(b"old")) == b"old"
    assert await device.decrypt(*archivist.encrypt(b"old back")) == b"old back"
    archivist.ask("establish", bundle=await device.bundle())
    newer = archivist.encrypt(b"newer")
    assert newer[0] == "pkmsg"
    assert await device.decrypt(*newer) == b"newer"
    # The peer's older session still serves, and becomes the one that is answered on.
    assert await device.decrypt(*archivist.encrypt(b"older", session=1)) == b"older"
    answer = await device.encrypt(b"answer")
    assert archivist.ask("decrypt", kind=answer[0], data=answer[1].hex())["session"] == 1
    # The same first message's session is found again by its base key.
    again = archivist.encrypt(b"again", session=1)
    assert again[0] == "pkmsg"
    assert await device.decrypt(*again) == b"again"
    assert len(device.session.keys.ratchets(ADDRESS)) == 2


async def test_both_initiate_at_once(archivist: Peer, device: Device) -> None:
    await device.establish(archivist.bundle())
    archivist.ask("establish", bundle=await device.bundle())
    from_device, from_peer = await device.encrypt(b"mine"), archivist.encrypt(b"yours")
    assert archivist.decrypt(*from_device) == b"mine"
    assert await device.decrypt(*from_peer) == b"yours"
    for text in (b"1", b"2", b"3"):
        assert archivist.decrypt(*await device.encrypt(text)) == text
        assert await device.decrypt(*archivist.encrypt(text)) == text
    assert (await device.encrypt(b"settled"))[0] == "msg"


async def test_a_forged_mac_is_refused_here(peer: Peer, device: Device) -> None:
    await device.establish(peer.bundle())
    kind, data = await device.encrypt(b"hello")
    assert peer.decrypt(kind, data) == b"hello"
    kind, data = peer.encrypt(b"hello")
    with pytest.raises(Undecryptable, match="bad_mac"):
        await device.decrypt(kind, data[:-1] + bytes([data[-1] ^ 1]))
    assert await device.decrypt(kind, data) == b"hello"
