"""Linking by a code: the client shows it, the phone's owner types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator


@pytest.fixture
def client(knowing: str, another: Callable[..., Client]) -> Client:
    """A client that registers, and shows a QR already."""
    one = another(knowing)
    one.attempt(lambda: one.wait("qr"))
    return one


def shown(client: Client, number: str) -> str:
    """The code that the client shows for this number."""
    client.process.command(do="link", number=number)
    return str(client.wait("link_code")["code"])


def refused(client: Client, number: str) -> str:
    """Returns the client's error when it gets no code."""
    client.process.command(do="link", number=number)
    return str(client.wait("failed", do="link")["error"])


def says(error: str, status: str) -> bool:
    """Whether the error has the server's code, or the text of this project's engines."""
    ours = "pairing_code_limited" if status == "429" else "pairing_code_refused"
    return status in error or ours in error


def typed(simulator: Simulator, number: str, code: str) -> str | None:
    """Types it on the phone; what the phone says instead of linking the client."""
    answer = simulator.http.post(f"/phones/{number}/link-code", json={"code": code})
    return None if answer.is_success else str(answer.json()["code"])


def mistyped(code: str) -> str:
    return code[:-1] + ("1" if code[-1] != "1" else "2")


def links(simulator: Simulator, client: Client, number: str) -> None:
    """The client shows a code that links it, and logs in."""
    assert typed(simulator, number, shown(client, number)) is None
    client.number = number
    client.wait("connected")
    (device,) = simulator.account(number)["devices"]
    assert device["online"]


@pytest.mark.differs(tryx="D9")
def test_pairs_by_code_and_restarts(simulator: Simulator, client: Client, friend: str) -> None:
    """Its first message has the signature that it received under the shared secret."""
    number = f"{int(friend) + 5_000}"
    links(simulator, client, number)
    client.send(friend, "linked by a code")
    until(lambda: simulator.texts(friend) == ["linked by a code"])
    client.restart()
    simulator.say(friend, number, "welcome")
    client.wait("message", text="welcome")


@pytest.mark.differs(tryx="D9")
def test_shows_another_code_after_a_wrong_one(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The first is used up: the phone cannot open what the client sealed under its own code."""
    code = shown(client, friend)
    assert typed(simulator, friend, mistyped(code)) == "wrong_link_code"
    assert typed(simulator, friend, code) == "no_link_code"
    assert simulator.account(friend)["devices"] == []
    links(simulator, client, friend)


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        pytest.param("expire_link_code", "link_code_expired", id="expired"),
        pytest.param("refuse_link_finish", "link_code_refused", id="its keys were refused"),
    ],
)
def test_shows_another_code_after_one_that_failed(
    simulator: Simulator, client: Client, friend: str, fault: str, refusal: str
) -> None:
    number = simulator.fault(friend, fault, count=1)
    assert typed(simulator, friend, shown(client, friend)) == refusal
    assert simulator.struck(number) == 1
    links(simulator, client, friend)


@pytest.mark.differs(tryx="D9")
def test_says_that_it_gets_no_code(simulator: Simulator, client: Client, friend: str) -> None:
    for status in ("429", "452"):
        fault = simulator.fault(friend, "refuse_link_code", count=1, code=int(status))
        assert says(refused(client, friend), status)
        assert simulator.struck(fault) == 1
    links(simulator, client, friend)


@pytest.mark.differs(tryx="D9")
def test_says_that_a_number_has_no_whatsapp(
    simulator: Simulator, client: Client, friend: str
) -> None:
    simulator.post(f"/contacts/{friend}", registered=False)
    assert says(refused(client, friend), "400")
    simulator.post(f"/contacts/{friend}", registered=True)
    links(simulator, client, friend)


def test_shows_a_qr_with_another_secret(simulator: Simulator, client: Client, friend: str) -> None:
    """The phone's first scan retires the secret in the QR."""
    simulator.post(f"/phones/{friend}", linking="refresh")
    first = next(line["qr"] for line in client.process.seen if line["event"] == "qr")
    answer = simulator.http.post(f"/phones/{friend}/scan", json={"qr": first})
    assert answer.json()["code"] == "secret_retired"
    renewed = str(client.wait("qr", 15)["qr"])
    ref, noise, identity, secret, kind = first.split(",")
    assert renewed.split(",")[:3] == [ref, noise, identity]
    assert (renewed.split(",")[3] != secret, renewed.split(",")[4]) == (True, kind)
    simulator.post(f"/phones/{friend}/scan", qr=renewed)
    client.wait("connected")


def scanned(simulator: Simulator, client: Client, number: str, rule: str) -> str | None:
    """A phone under this rule scans the client's QR; why it does not link it."""
    simulator.post(f"/accounts/{number}/rules", **{rule: True})
    qr = next(line["qr"] for line in client.process.seen if line["event"] == "qr")
    answer = simulator.http.post(f"/phones/{number}/scan", json={"qr": qr})
    return None if answer.is_success else str(answer.json()["code"])


def is_linked_without_the_rule(
    simulator: Simulator, client: Client, number: str, rule: str
) -> None:
    simulator.post(f"/accounts/{number}/rules", **{rule: False})
    qr = next(line["qr"] for line in client.process.seen if line["event"] == "qr")
    simulator.post(f"/phones/{number}/scan", qr=qr)
    client.wait("connected")


@pytest.mark.differs(tryx="D20")
def test_shows_a_qr_with_a_prefix(simulator: Simulator, client: Client, friend: str) -> None:
    why = scanned(simulator, client, friend, "qr_prefix")
    assert why == ("bad_qr" if client.kind == "tryx" else None)
    if why is not None:
        is_linked_without_the_rule(simulator, client, friend, "qr_prefix")
        return
    client.wait("connected")


@pytest.mark.differs(neonize="D20", whatsmeow="D20")
def test_shows_a_qr_without_a_prefix(simulator: Simulator, client: Client, friend: str) -> None:
    why = scanned(simulator, client, friend, "qr_bare")
    assert why == (None if client.kind == "tryx" else "bad_qr")
    if why is not None:
        is_linked_without_the_rule(simulator, client, friend, "qr_bare")
        return
    client.wait("connected")


@pytest.mark.differs(tryx="D9")
def test_is_scanned_while_it_shows_a_code(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """Both are on the screen, and the phone's owner takes either."""
    code = shown(client, friend)
    qr = next(line["qr"] for line in client.process.seen if line["event"] == "qr")
    simulator.post(f"/phones/{friend}/scan", qr=qr)
    client.wait("connected")
    assert typed(simulator, friend, code) == "no_link_code"


@pytest.mark.differs(neonize="D24", whatsmeow="D24")
def test_is_scanned_by_another_phone_after_one_demanded_a_passkey(
    simulator: Simulator, client: Client, friend: str
) -> None:
    qr = next(line["qr"] for line in client.process.seen if line["event"] == "qr")
    simulator.post(f"/phones/{friend}", linking="passkey")
    answer = simulator.http.post(f"/phones/{friend}/scan", json={"qr": qr})
    assert answer.json()["code"] == "passkey_required"
    other = friend.replace("1555011", "1555013")
    answer = simulator.http.post(f"/phones/{other}/scan", json={"qr": qr})
    if client.kind in ("neonize", "whatsmeow"):
        assert answer.json()["code"] == "pairing_refused"
        return
    assert answer.is_success
    client.wait("connected")
