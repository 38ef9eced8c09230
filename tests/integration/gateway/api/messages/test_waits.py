"""Answers with the outcome of a message to a caller that waits, and `teimoso send --wait`."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from tests.integration.gateway.api.messages.test_messages import Actor, actor, body
from tests.integration.gateway.cli.test_command import start
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from tests.integration.gateway.served import Api, Gateway

__all__ = ["actor"]

NOBODY = "The number is not on WhatsApp. It is a dead letter"


async def claimed(actor: Actor, number: str) -> str:
    """The id of the message to this number, once its owner has claimed it; all before it are sent."""
    while True:
        claim = await actor.lanes.claims.claim(SHOP, actor.epoch, 10, time.time())
        for job in claim.jobs:
            if job.chat.startswith(number):
                return job.id
            await actor.complete(job.id)
        await asyncio.sleep(0.05)


def waiting(api: Api, number: str) -> asyncio.Task[Any]:
    asked = body("wait", to=number)
    return asyncio.create_task(
        asyncio.to_thread(api.post, "/api/messages", json=asked, params={"wait": 20})
    )


async def test_a_dead_letter_is_a_problem_with_its_reason(api: Api, actor: Actor) -> None:
    sending = waiting(api, "15550100151")
    identity = await claimed(actor, "15550100151")
    await actor.fail(identity, uncertain=True)
    answer = await sending
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "message_dead")
    assert problem["detail"].startswith(NOBODY)
    assert problem["uncertain"]
    where = answer.headers["location"]
    assert where == f"/api/messages/{identity}"
    message = api.get(where).json()
    assert problem["message"] == {
        name: message[name] for name in ("id", "message_id", "status", "error")
    }
    assert (message["status"], message["error"]) == ("dead", "not_on_whatsapp")


async def test_a_cancelled_message_is_a_problem(api: Api) -> None:
    asked, key = body("never mind", to="15550100152"), {"Idempotency-Key": "152"}
    accepted = api.post("/api/messages", json=asked, headers=key).json()
    assert (accepted["status"], accepted["error"]) == ("queued", None)
    again = asyncio.create_task(
        asyncio.to_thread(api.post, "/api/messages", params={"wait": 20}, json=asked, headers=key)
    )
    await asyncio.sleep(0.3)
    api.delete(f"/api/messages/{accepted['id']}").raise_for_status()
    answer = await again
    assert (answer.status_code, answer.json()["code"]) == (409, "message_cancelled")
    assert answer.json()["message"] == {**accepted, "status": "cancelled"}
    assert answer.headers["idempotency-replayed"] == "true"


async def test_the_command_prints_the_reason_and_fails(gateway: Gateway, actor: Actor) -> None:
    for number, flags in (("15550100153", ()), ("15550100154", ("--json",))):
        words = ("send", "shop", number, "hi", "--wait", "20", *flags)
        with start(gateway.data, *words) as process:
            identity = await claimed(actor, number)
            await actor.fail(identity)
            output, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 1
        assert errors.startswith(NOBODY)
        if flags:
            told = json.loads(output)
            assert (told["id"], told["error"]) == (identity, "not_on_whatsapp")
        else:
            assert output == f"dead  {identity}\n"


async def test_the_command_succeeds_once_it_is_sent(gateway: Gateway, actor: Actor) -> None:
    with start(gateway.data, "send", "shop", "15550100155", "hi", "--wait", "20") as process:
        identity = await claimed(actor, "15550100155")
        await actor.complete(identity)
        output, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, output, errors) == (0, f"sent  {identity}\n", "")


def test_the_command_fails_for_a_message_that_still_waits(gateway: Gateway) -> None:
    with start(gateway.data, "send", "shop", "15550100156", "hi", "--wait", "0.5") as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.startswith("queued  ")
    assert errors == "It was not sent in 0.5 s, and will be as soon as it can.\n"
