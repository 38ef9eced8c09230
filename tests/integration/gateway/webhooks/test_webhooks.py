"""Webhooks through a real gateway: at least once, in order, signed, whatever dies."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

from actors.health.alerts import Alert
from actors.state.documents import DELIVERIES, EVENTS
from actors.state.events.log import EventLog
from tests.clocks import believe_clock
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import KEY, OTHER, ROOT, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import (
    SOON,
    age,
    arrived,
    arriving,
    store_messages,
)
from tests.processes import forked
from tests.waits import eventually, until

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

FREE = count(1000, 1000)


async def test_what_happens_is_delivered_in_order_and_signed(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    wanted = await store_messages(documents, next(FREE), 30, size=7)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted, "in the order of the batches, each once"
    assert receiver.seqs == sorted(receiver.seqs)
    assert (receiver.forged, receiver.most) == (0, 1)
    first = receiver.taken[0]
    assert first["data"]["id"] == api.get(f"/api/messages/{first['data']['id']}").json()["id"]
    shown = until("noted", lambda: _quiet(api, hook), SOON)
    assert shown["delivered_at"] is not None
    assert shown["failing_since"] is None


def _quiet(api: Api, hook: str) -> dict[str, Any] | None:
    shown: dict[str, Any] = api.get(f"/api/webhooks/{hook}").json()
    return shown if shown["waiting"] == 0 else None


async def test_history_is_not_delivered(
    documents: Documents, receiver: Receiver, hook: str
) -> None:
    number = next(FREE)
    await documents.batch([arriving(number, source="history")])
    wanted = await store_messages(documents, number + 1)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted


async def test_only_what_is_wanted_is_delivered(
    documents: Documents, receiver: Receiver, api: Api
) -> None:
    made = add(api, receiver, events=["message.received"], connections=["shop"])
    try:
        number = next(FREE)
        await store_messages(documents, number, 3, OTHER)
        alert = Alert("connection_failed", SHOP, "critical", "It fell.", time.time())
        await documents.batch([alert.write])
        wanted = await store_messages(documents, number + 10, 3)
        await arrived(receiver, wanted)
        assert receiver.texts == wanted
        assert len(receiver.taken) == 3
    finally:
        api.delete(f"/api/webhooks/{made['id']}")


async def test_an_endpoint_that_is_down_gets_all_in_order_once_it_is_back(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    receiver.stop()
    wanted = await store_messages(documents, next(FREE), 40)
    failing = await eventually(
        "it is noticed",
        lambda: api.get(f"/api/webhooks/{hook}").json()["failing_since"],
        SOON,
    )
    assert failing
    shown = api.get(f"/api/webhooks/{hook}").json()
    assert (shown["error"], shown["waiting"]) == ("unreachable", 40)
    assert shown["attempts"] >= 1
    measured = _behind(api)
    assert measured["teimoso_webhooks_failing"] == 1
    assert measured["teimoso_webhook_failing_seconds"] > 0
    assert measured["teimoso_webhook_oldest_age_seconds"] > 0
    assert measured["teimoso_webhook_held_chats"] == 1
    receiver.start()
    await arrived(receiver, wanted)
    assert receiver.texts == wanted
    await eventually("nothing is behind", lambda: set(_behind(api).values()) == {0.0}, SOON)


def _behind(api: Api) -> dict[str, float]:
    lines = [line.split(" ") for line in api.get("/metrics").text.splitlines()]
    counted = ("teimoso_webhook_attempts", "teimoso_webhook_seconds")
    return {
        line[0]: float(line[1])
        for line in lines
        if line[0].startswith("teimoso_webhook") and not line[0].startswith(counted)
    }


async def test_a_head_that_fails_holds_what_is_behind_it_and_keeps_its_id(
    documents: Documents, receiver: Receiver, hook: str
) -> None:
    failures = iter([500, 503, 302])
    receiver.location = receiver.url  # to which nothing is sent by a redirect
    receiver.answer = lambda _: next(failures, None)
    wanted = await store_messages(documents, next(FREE), 3)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted
    head = receiver.taken[0]
    assert [each["id"] for each in receiver.refused] == [head["id"]] * 3
    assert receiver.refused[0] == head, "delivered again unchanged"


async def test_a_gateway_killed_and_an_endpoint_that_is_down_for_an_hour_lose_none(
    documents: Documents, gateway: Gateway, receiver: Receiver, hook: str, api: Api
) -> None:
    """It dies while the endpoint has not answered yet; its successor goes on, under the same ids.

    The endpoint is gone by then, and back when what happened is an hour old.
    """
    number = next(FREE)
    held: list[str] = []

    def kill(event: dict[str, Any]) -> int | None:
        if event["data"]["text"] == f"text {number + 5}" and not held:
            held.append(event["id"])
            gateway.kill()
        return None

    receiver.answer = kill
    wanted = await store_messages(documents, number, 20)
    await eventually("the gateway is dead in the midst of it", lambda: held, SOON)
    assert gateway.process is None
    receiver.stop()
    behind = await store_messages(documents, number + 20, 5)
    for pack in (0, 10, 20):
        await age(documents, f"text {number + pack}", 3600)
    await asyncio.to_thread(gateway.start)
    await eventually("its successor finds nobody", lambda: _unreachable(api, hook), SOON)
    receiver.start()
    await arrived(receiver, [*wanted, *behind], 30)
    counted = Counter(each["id"] for each in receiver.taken)
    first = list(dict.fromkeys(receiver.texts))
    assert first == [*wanted, *behind], "in order, but for what is repeated"
    assert counted[held[0]] >= 2, "what was on its way goes again, under the same id"
    assert len(counted) == 25
    assert listed(api, hook, "dead") == [], "an hour is not too long"


def _unreachable(api: Api, hook: str) -> bool:
    return bool(api.get(f"/api/webhooks/{hook}").json()["error"] == "unreachable")


async def test_an_endpoint_that_is_gone_gets_nothing_more(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    receiver.answer = lambda _: 410
    number = next(FREE)
    await store_messages(documents, number, 3)
    shown = await eventually("it is off", lambda: _off(api, hook), SOON)
    assert shown["disabled_because"] == "gone"
    assert (len(receiver.refused), receiver.taken) == (1, [])
    head = await EventLog(documents).head()
    assert hook not in head.webhooks, "no events are written for it"
    receiver.answer = lambda _: None
    assert api.patch(f"/api/webhooks/{hook}", json={"enabled": True}).json()["enabled"]
    wanted = await store_messages(documents, number + 10, 2)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted, "it begins anew"


def _off(api: Api, hook: str) -> dict[str, Any] | None:
    shown: dict[str, Any] = api.get(f"/api/webhooks/{hook}").json()
    return None if shown["enabled"] else shown


async def test_what_happens_while_it_is_paused_comes_later(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    paused = api.patch(f"/api/webhooks/{hook}", json={"enabled": False}).json()
    assert (paused["enabled"], paused["disabled_because"]) == (False, "paused")
    wanted = await store_messages(documents, next(FREE), 3)
    await asyncio.sleep(0.5)
    assert receiver.taken == []
    api.patch(f"/api/webhooks/{hook}", json={"enabled": True})
    await arrived(receiver, wanted)


async def test_a_dead_delivery_is_seen_and_delivered_again(
    documents: Documents, receiver: Receiver, hook: str, api: Api, gateway: Gateway
) -> None:
    """It is a day old, and an attempt fails: the next one goes."""
    believe_clock(gateway.settings.data)
    number = next(FREE)
    receiver.answer = lambda event: 500 if event["data"]["text"] == f"text {number}" else None
    api.patch(f"/api/webhooks/{hook}", json={"enabled": False})
    wanted = await store_messages(documents, number, 3, size=1)
    await age(documents, f"text {number}", 2 * 86_400)
    api.patch(f"/api/webhooks/{hook}", json={"enabled": True})
    await arrived(receiver, wanted[1:])
    (dead,) = await eventually("it is dead", lambda: listed(api, hook, "dead"), SOON)
    assert (dead["error"], dead["attempts"], dead["type"]) == ("status_500", 1, "message.received")
    until("noted", lambda: _quiet(api, hook), SOON)
    assert [each["status"] for each in listed(api, hook)] == ["delivered", "delivered", "dead"]
    assert len(listed(api, hook, "delivered")) == 2
    receiver.answer = lambda _: None
    asked = api.post(f"/api/webhooks/{hook}/deliveries/{dead['id']}/redeliver")
    assert (asked.status_code, asked.json()["status"]) == (202, "waiting")
    await arrived(receiver, wanted)
    assert receiver.taken[-1]["id"] == receiver.refused[0]["id"] == dead["event_id"]
    until("it is noted", lambda: len(listed(api, hook, "delivered")) == 3, SOON)
    again = listed(api, hook, "delivered")[0]["id"]
    assert api.post(f"/api/webhooks/{hook}/deliveries/{again}/redeliver").status_code == 202
    await eventually("delivered twice", lambda: receiver.texts.count(wanted[2]) == 2, SOON)


def listed(api: Api, hook: str, status: str | None = None) -> list[dict[str, Any]]:
    asked = {} if status is None else {"status": status}
    items: list[dict[str, Any]] = []
    while True:
        answer = api.get(f"/api/webhooks/{hook}/deliveries", params={**asked, "limit": 2}).json()
        items += answer["items"]
        if answer["next"] is None:
            return items
        asked["after"] = answer["next"]


async def test_events_that_are_gone_before_they_are_delivered_are_counted(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    number = next(FREE)
    api.patch(f"/api/webhooks/{hook}", json={"enabled": False})
    await store_messages(documents, number, 3, size=3)
    wanted = await store_messages(documents, number + 3, 2)
    (pack,) = (
        each for each in (await documents.query(EVENTS)).items if f"text {number}" in each["events"]
    )
    await documents.delete(EVENTS, pack["id"])
    api.patch(f"/api/webhooks/{hook}", json={"enabled": True})
    await arrived(receiver, wanted)
    shown = until("noted", lambda: _quiet(api, hook), SOON)
    assert shown["missed"] == 3


async def test_a_new_secret_signs_beside_the_old_one(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    old = receiver.secrets[0]
    new = api.post(f"/api/webhooks/{hook}/secret").json()["secret"]
    assert new != old
    number = next(FREE)
    for place, secret in enumerate((old, new)):
        receiver.secrets = [secret]
        await arrived(receiver, await store_messages(documents, number + place))
    assert receiver.forged == 0


async def test_a_deleted_webhook_gets_nothing(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    receiver.answer = lambda _: 500
    number = next(FREE)
    await store_messages(documents, number)
    await eventually("it was tried", lambda: receiver.refused, SOON)
    assert api.delete(f"/api/webhooks/{hook}").status_code == 204
    assert api.get(f"/api/webhooks/{hook}").status_code == 404
    receiver.answer = lambda _: None
    await store_messages(documents, number + 1)
    await asyncio.sleep(2)
    assert receiver.taken == []
    assert (await EventLog(documents).head()).webhooks == ()
    kept = (await documents.query(DELIVERIES)).items
    assert [each for each in kept if each["webhook"] == hook] == []


def test_a_webhook_has_the_settings_for_files_that_it_was_given(hook: str, api: Api) -> None:
    def changed(**body: Any) -> tuple[Any, ...]:
        answer = api.patch(f"/api/webhooks/{hook}", json=body)
        if answer.status_code != 200:
            return answer.status_code, answer.json()["code"]
        names = ("media", "media_wait", "base64", "base64_limit")
        shown = api.get(f"/api/webhooks/{hook}").json()
        assert answer.json() == shown
        return tuple(shown[name] for name in names)

    refused = (422, "invalid_field")
    assert changed(enabled=True) == ("apart", None, False, None)
    assert changed(base64=True) == changed(media_wait=9) == refused
    assert changed(media="wait") == ("wait", 30, False, None)
    assert changed(base64_limit=9) == changed(media_wait=301) == refused
    assert changed(base64=True, media_wait=9) == ("wait", 9, True, 2**20)
    assert changed(base64_limit=2**24) == ("wait", 9, True, 2**24)
    assert changed(url="http://127.0.0.1:9/", base64=True) == ("wait", 9, True, 2**24)
    assert changed(base64_limit=2**24 + 1) == changed(media="apart", base64=True) == refused
    assert changed(base64=False) == ("wait", 9, False, None)
    assert changed(base64=True, base64_limit=5) == ("wait", 9, True, 5)
    assert changed(media="apart") == ("apart", None, False, None)


async def test_the_commands(
    documents: Documents, gateway: Gateway, receiver: Receiver, api: Api
) -> None:
    command = [sys.executable, "-m", "gateway.cli", "webhooks"]

    def run(*words: str) -> Any:
        ran = forked.run(
            [*command, *words, "--json", "--key", KEY, "--data", str(gateway.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    wait = ("--media", "wait", "--base64")
    made = run("add", receiver.url, "--event", "message.received", "--connection", "shop", *wait)
    assert (made["media_wait"], made["base64_limit"]) == (30, 2**20)
    hook = made["id"]
    try:
        receiver.secrets.append(made["secret"])
        wanted = await store_messages(documents, next(FREE), 2)
        await arrived(receiver, wanted)
        assert run("set-media", made["id"], "--media-wait", "5", "--no-base64")["media_wait"] == 5
        (listed_,) = run("list")["items"]
        assert (listed_["id"], listed_["connections"]) == (hook, ["shop"])
        assert "secret" not in listed_
        until("noted", lambda: _quiet(api, hook), SOON)
        newest = run("deliveries", hook, "--status", "delivered")["items"][0]
        assert run("redeliver", hook, newest["id"])["status"] == "waiting"
        await eventually("once more", lambda: receiver.texts.count(wanted[1]) == 2, SOON)
    finally:
        run("remove", hook, "--yes")
    assert run("list")["items"] == []
