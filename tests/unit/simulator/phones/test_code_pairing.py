"""Linking by a code: what phone, server and client hear of each other, and each way to fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.control.api import application
from simulator.phones import code_pairing
from simulator.phones.pairing import ScanError
from simulator.wire.protocol_library import JID, Node
from tests.unit.simulator.code_client import BUNDLE, CODE, REG, WRAPPED, CodeClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, OTHER = "15550100001", "15550100002"


@pytest.fixture
def client(new_device: Callable[[], Device]) -> CodeClient:
    return CodeClient(new_device(), NUMBER)


async def failed(world: ServerState, code: str = CODE) -> str:
    """Returns the error of the phone, which does not link the client."""
    with pytest.raises(ScanError) as raised:
        await world.code_pairing.enter(NUMBER, code)
    assert world.companions.of(NUMBER) == ()
    return raised.value.code


def refusal(answer: Any) -> dict[str, str]:
    assert answer.attrs["type"] == "error"
    attrs: dict[str, str] = answer.get_child("error").attrs
    return attrs


def inject(world: ServerState, kind: str, **more: Any) -> None:
    world.fault_injector.strike(world.faults.request({"account": NUMBER, "kind": kind, **more}))


def struck(world: ServerState) -> int:
    return int(world.faults.everything()[-1]["struck"])


BAD = {"code": "400", "text": "bad-request"}


@pytest.mark.parametrize("typed", [CODE, "abcd-1234", " ABCD 1234"])
async def test_links_the_client_that_shows_the_code(
    world: ServerState, client: CodeClient, typed: str
) -> None:
    await client.ask()

    async def follow() -> None:
        assert (await client.answer()).attrs["type"] == "result"
        await client.device.sign()

    companion, _ = await asyncio.gather(world.code_pairing.enter(NUMBER, typed), follow())
    assert world.companions.get(NUMBER, companion.device) == companion
    assert (await client.device.next("stream:error")).attrs == {"code": "515"}
    await client.device.closed()
    assert (await client.device.login()).tag == "success"


async def test_the_control_port_links(world: ServerState, client: CodeClient) -> None:
    await client.ask()

    async def follow() -> None:
        await client.answer()
        await client.device.sign()

    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        path = f"/phones/{NUMBER}/link-code"
        answer, _ = await asyncio.gather(http.post(path, json={"code": CODE}), follow())
        assert answer.json() == {
            "number": NUMBER,
            "device": 1,
            "jid": f"{NUMBER}:1@s.whatsapp.net",
        }
        for body, status, code in (
            ({"code": CODE}, 409, "no_link_code"),
            ({"code": "ABC"}, 400, "bad_link_code"),
            ({"code": 12345678}, 400, "wrong_type"),
            ({}, 400, "missing_field"),
        ):
            answer = await http.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("typed", ["", "ABCD123", "ABCD12345", "ÄBCD1234", "ABCD/123"])
async def test_no_code(world: ServerState, client: CodeClient, typed: str) -> None:
    await client.ask()
    assert await failed(world, typed) == "bad_link_code"


async def test_nobody_shows_a_code(world: ServerState, client: CodeClient) -> None:
    await client.device.register()
    assert await failed(world) == "no_link_code"


async def test_a_refused_client_shows_no_code(world: ServerState, client: CodeClient) -> None:
    """From then on, and not only once its socket is gone."""
    await client.ask()
    world.code_pairing._hellos[NUMBER].connection.retire()
    assert await failed(world) == "no_link_code"


async def test_after_a_wrong_code_the_client_is_to_show_another(
    world: ServerState, client: CodeClient
) -> None:
    await client.ask()

    async def follow() -> None:
        assert (await client.answer()).attrs["type"] == "result"
        told = await client.notified("refresh_code")
        assert [child.tag for child in told.get_children()] == ["link_code_pairing_ref"]

    code, _ = await asyncio.gather(failed(world, "ABCD1235"), follow())
    assert code == "wrong_link_code"
    assert await failed(world) == "no_link_code"


async def test_a_bundle_about_somebody_else(world: ServerState, client: CodeClient) -> None:
    """As one who sits between them would send it, and could not sign for."""
    await client.ask()
    code, _ = await asyncio.gather(failed(world), client.answer(own=bytes(32)))
    assert code == "wrong_link_code"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({WRAPPED: None}, id="no ephemeral key"),
        pytest.param({WRAPPED: bytes(79)}, id="short ephemeral key"),
        pytest.param({"companion_server_auth_key_pub": bytes(32)}, id="key of another"),
        pytest.param({"companion_platform_id": "0"}, id="unknown platform"),
        pytest.param({"companion_platform_id": None}, id="no platform"),
        pytest.param({"companion_platform_display": "Chrome (Acme)"}, id="unknown system"),
        pytest.param({"companion_platform_display": "Acme"}, id="no browser on a system"),
        pytest.param({"jid": JID("12")}, id="short number"),
        pytest.param({"jid": ""}, id="nobody"),
        pytest.param({"stage": "primary_hello"}, id="the phone's stage"),
        pytest.param({"stage": ""}, id="no stage"),
    ],
)
async def test_a_malformed_request_gets_no_code(
    world: ServerState, client: CodeClient, changed: dict[str, Any]
) -> None:
    assert refusal(await client.ask(**changed)) == BAD
    assert await failed(world) == "no_link_code"


async def test_a_code_is_asked_for_by_number(world: ServerState, client: CodeClient) -> None:
    lid = world.people.named(NUMBER).lid
    assert refusal(await client.ask(jid=JID(lid, "lid"))) == BAD


async def test_a_number_without_whatsapp_gets_no_code(
    world: ServerState, client: CodeClient
) -> None:
    world.people.change(NUMBER, {"registered": False})
    assert refusal(await client.ask()) == BAD


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"code": "429", "text": "rate-overlimit"}),
        ({"code": 400}, BAD),
        ({"code": 403}, {"code": "403", "text": "forbidden"}),
        ({"code": 452}, {"code": "452", "text": "feature-not-available"}),
        ({"code": 500}, {"code": "500", "text": "internal-server-error"}),
    ],
)
async def test_a_refused_code(
    world: ServerState, client: CodeClient, more: dict[str, int], expected: dict[str, str]
) -> None:
    inject(world, "refuse_link_code", count=1, **more)
    elsewhere = await client.ask(jid=JID(OTHER))
    assert elsewhere.attrs["type"] == "result"
    assert struck(world) == 0
    assert refusal(await client.ask()) == expected
    assert struck(world) == 1
    assert (await client.ask()).attrs["type"] == "result"


async def test_an_expired_code(world: ServerState, client: CodeClient) -> None:
    inject(world, "expire_link_code", count=1)
    await client.ask()
    assert struck(world) == 1
    assert await failed(world) == "link_code_expired"


async def test_a_code_that_expires_while_the_client_seals_its_keys(
    world: ServerState, client: CodeClient
) -> None:
    await client.ask()
    typing = asyncio.create_task(failed(world))
    told = await client.notified("primary_hello")
    world.code_pairing._hellos[NUMBER].expires_at = 0.0
    assert refusal(await client.finish(told)) == BAD
    assert await typing == "link_code_expired"


async def test_a_code_holds_for_as_long_as_the_fault_says(
    world: ServerState, client: CodeClient
) -> None:
    inject(world, "expire_link_code", seconds=30)
    await client.ask()
    left = world.code_pairing._hellos[NUMBER].expires_at - asyncio.get_running_loop().time()
    assert 25 < left <= 30
    assert (await client.ask(jid=JID(OTHER))).attrs["type"] == "result"
    left = world.code_pairing._hellos[OTHER].expires_at - asyncio.get_running_loop().time()
    assert 175 < left <= 180


@pytest.mark.parametrize(("more", "code"), [({}, "400"), ({"code": 500}, "500")])
async def test_refused_keys(
    world: ServerState, client: CodeClient, more: dict[str, int], code: str
) -> None:
    inject(world, "refuse_link_finish", count=1, **more)
    await client.ask()
    said, answer = await asyncio.gather(failed(world), client.answer())
    assert refusal(answer)["code"] == code
    assert said == "link_code_refused"
    assert struck(world) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {BUNDLE: bytes(155)},
        {"companion_identity_public": bytes(32)},
    ],
)
async def test_malformed_keys(
    world: ServerState, client: CodeClient, changed: dict[str, Any]
) -> None:
    await client.ask()
    said, answer = await asyncio.gather(failed(world), client.answer(**changed))
    assert (said, refusal(answer)) == ("link_code_refused", BAD)


async def test_keys_that_nobody_waits_for(
    world: ServerState, client: CodeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another ref, and before a code was typed; the phone waits in vain."""
    monkeypatch.setattr(code_pairing, "FINISH_SECONDS", 0.3)
    await client.ask()
    finish = {"jid": JID(NUMBER), "stage": "companion_finish"}
    content = {
        BUNDLE: bytes(156),
        "companion_identity_public": client.device.signal.identity.public,
        "link_code_pairing_ref": client.ref,
    }
    assert refusal(await client.stage(finish, content)) == BAD
    said, answer = await asyncio.gather(
        failed(world), client.answer(link_code_pairing_ref=b"another")
    )
    assert (said, refusal(answer)) == ("pairing_timeout", BAD)


async def test_the_newest_code_of_a_number_counts(
    world: ServerState, client: CodeClient, new_device: Callable[[], Device]
) -> None:
    await client.ask()
    typing = asyncio.create_task(failed(world))
    await client.notified("primary_hello")
    newer = CodeClient(new_device(), NUMBER)
    await newer.ask()
    assert await typing == "link_code_replaced"

    async def follow() -> None:
        await newer.answer()
        await newer.device.sign()

    companion, _ = await asyncio.gather(world.code_pairing.enter(NUMBER, CODE), follow())
    assert companion.noise == newer.device.noise.public_key().public_bytes_raw()


async def test_a_client_shows_one_code(world: ServerState, client: CodeClient) -> None:
    await client.ask()
    await client.ask(jid=JID(OTHER))
    assert await failed(world) == "no_link_code"


async def test_one_code_at_a_time(
    world: ServerState, client: CodeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_pairing, "FINISH_SECONDS", 0.3)
    await client.ask()
    said = await asyncio.gather(failed(world), failed(world))
    assert sorted(said) == ["pairing_in_progress", "pairing_timeout"]


async def test_a_client_that_goes_away(world: ServerState, client: CodeClient) -> None:
    await client.ask()

    async def leave() -> None:
        await client.notified("primary_hello")
        await client.device.close()

    said, _ = await asyncio.gather(failed(world), leave())
    assert said == "pairing_interrupted"
    assert await failed(world) == "no_link_code"


async def test_where_the_client_is(client: CodeClient) -> None:
    await client.device.register()
    answer = await client.device.query("md", "get", Node(REG, {"stage": "get_country_code"}))
    assert answer.get_child("country_code").attrs == {"iso": "US"}
