"""A connection that is linked by a code, over HTTP and by the command, while its owner is killed."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.processes.instance import Instance

pytestmark = pytest.mark.timeout(300)

_numbers = count(15550100131)


class PairingConnection:
    """A connection that waits for its pairing by code, and its phone."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.api = instance, instance.api
        self.simulator = instance.simulator
        self.phone = str(next(_numbers))
        self.name = f"typed-{self.phone[-3:]}"
        self.path = f"/api/connections/{self.name}/pairing-code"

    def ask(self) -> httpx.Response:
        return self.api.post(self.path, json={"phone": f"+{self.phone}"})

    def asked(self) -> str:
        answer = self.ask()
        assert answer.status_code == 201, answer.text
        until("the code is shown", lambda: self.api.get(self.path).is_success, 10)
        assert self.api.get(self.path).json() == answer.json()
        code: str = answer.json()["code"]
        return code

    def typed(self, code: str) -> str | None:
        """Types it on the phone: why it links nothing; None where it does."""
        path = f"/phones/{self.phone}/link-code"
        answer = self.simulator.post(path, json={"code": code})
        return None if answer.is_success else str(answer.json()["code"])

    def is_void(self) -> bool:
        answer = self.api.get(self.path)
        return answer.status_code == 409 and answer.json()["code"] == "no_pairing_code"

    def qr(self) -> str:
        return until("a QR", lambda: self.instance.qr(self.name), 60) or ""

    def seen(self) -> dict[str, Any]:
        return self.instance.connection(self.name)

    def fault(self, kind: str, **more: Any) -> None:
        fault = {"account": self.phone, "kind": kind, "count": 1, **more}
        self.simulator.post("/faults", json=fault).raise_for_status()

    def registered(self, there: bool) -> None:
        path = f"/contacts/{self.phone}"
        self.simulator.post(path, json={"registered": there}).raise_for_status()

    def becomes_open(self) -> None:
        until("open", lambda: self.seen()["state"] == "open", 30)
        assert self.seen()["account"] == f"{self.phone}@s.whatsapp.net"
        assert self.is_void()


@pytest.fixture
def pairing(instance: Instance) -> Iterator[PairingConnection]:
    one = PairingConnection(instance)
    one.simulator.post("/phones", json={"number": one.phone}).raise_for_status()
    one.api.post("/api/connections", json={"id": one.name}).raise_for_status()
    one.qr()
    yield one
    one.simulator.delete("/faults")
    instance.answered()
    one.api.delete(f"/api/connections/{one.name}").raise_for_status()


def mistyped(code: str) -> str:
    return code[:-1] + ("1" if code[-1] != "1" else "2")


def test_a_wrong_code_voids_it_and_the_next_one_links(pairing: PairingConnection) -> None:
    first = pairing.asked()
    assert pairing.typed(mistyped(first)) == "wrong_link_code"
    until("the code is void", pairing.is_void, 10)
    assert pairing.qr(), "the QR goes on"
    second = pairing.asked()
    assert pairing.typed(second) is None
    pairing.becomes_open()
    again = pairing.ask()
    assert (again.status_code, again.json()["code"]) == (409, "already_linked")
    for file in (pairing.instance.data / "logs").rglob("*"):
        text = file.read_bytes() if file.is_file() else b""
        for code in (first, second):
            assert code.encode() not in text, file
            assert code.replace("-", "").encode() not in text, file


def test_an_owner_that_is_killed_leaves_no_code_and_the_next_gives_one(
    pairing: PairingConnection,
) -> None:
    code = pairing.asked()
    epoch = pairing.seen()["epoch"]
    pairing.instance.kill("connection", pairing.name)
    until("another owner", lambda: pairing.seen()["epoch"] > epoch, 30)
    assert pairing.is_void()
    assert pairing.typed(code) == "no_link_code"
    pairing.qr()
    words = ("connections", "pairing-code", pairing.name, "--phone", f"+{pairing.phone}")
    said = pairing.instance.teimoso(*words, "--json")
    assert said.returncode == 0, said.stderr
    printed = json.loads(said.stdout)
    assert set(printed) == {"code", "expires_at"}
    wrong = pairing.instance.teimoso("simulate", "link-code", pairing.phone, "no code")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("A code is 8 letters and digits")
    linked = pairing.instance.teimoso(
        "simulate", "link-code", pairing.phone, printed["code"], "--json"
    )
    assert linked.returncode == 0, linked.stderr
    assert json.loads(linked.stdout)["jid"].startswith(pairing.phone)
    pairing.becomes_open()
