"""Read marks and forwards through the API: accepted as messages are; a mark is none all the same."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from actors.messages.content import Delete, File, Image, Poll, Quote, ReadMark, Target, Text
from tests.integration.gateway.api.played_connection import CHAT, Rest
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.files import code as refusal
from tests.integration.gateway.files import digest, unlike, upload
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

CHAT_PATH = f"/api/chats/shop/{CHAT}/read"


def marked(api: Api, path: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = api.post(path, headers=headers, **more)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/messages/{found['id']}"
    return found


OTHER = "15550100003"


def forward(api: Api, identity: str, key: str | None = None, **more: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    path = f"/api/messages/{identity}/forward"
    return api.post(path, headers=headers, json={"to": OTHER, **more})


async def test_messages_of_either_side_are_forwarded_to_another_chat(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("FORWARD", Text("look", Quote(Target("A", CHAT)), None, 1))
    ours = api.post("/api/messages", json={"connection": "shop", "to": CHAT, "text": "mine"}).json()
    await rest.sends()
    for identity, said in (
        (theirs, Text("look", forwarding_score=2)),
        (ours["id"], Text("mine", forwarding_score=0)),
    ):
        answer = forward(api, identity, connection="shop")
        assert answer.status_code == 202, answer.text
        made = answer.json()
        assert answer.headers["location"] == f"/api/messages/{made['id']}"
        assert made["id"] not in {theirs, ours["id"]}
        (job,) = await rest.sends()
        assert (job.id, job.chat, job.decoded) == (made["id"], f"{OTHER}@s.whatsapp.net", said)
        shown = api.get(f"/api/messages/{made['id']}").json()
        assert (shown["text"], shown["forwarding_score"]) == (said.text, said.forwarding_score)


async def test_a_key_gives_the_first_forward_again(api: Api, rest: Rest) -> None:
    """Also once the original is deleted; another chat is another forward."""
    theirs = await rest.receives("ONCE", Text("once"))
    first = forward(api, theirs, "forward-1")
    await rest.receives("GONE", Delete(Target("ONCE", CHAT)))
    again = forward(api, theirs, "forward-1")
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert refusal(forward(api, theirs, "forward-1", priority=1)) == (422, "idempotency_conflict")
    assert refusal(forward(api, theirs, "forward-2")) == (409, "target_deleted")
    assert [job.decoded for job in await rest.sends()] == [Text("once", forwarding_score=1)]


async def test_messages_that_are_not_forwarded(api: Api, rest: Rest) -> None:
    poll = await rest.receives("POLL", Poll("Tea?", ("yes", "no"), 1))
    assert refusal(forward(api, poll)) == (409, "not_forwardable")
    assert refusal(forward(api, f"{SHOP}.3EB0{'0' * 18}")) == (404, "unknown_message")
    assert refusal(forward(api, poll, connection="other")) == (404, "unknown_connection")
    file = File("0" * 64, 7, "image/png")
    assert refusal(forward(api, await rest.receives("AWAY", Image(file)))) == (409, "media_pending")


async def test_a_file_is_forwarded_from_the_copy_that_is_kept(
    gateway: Gateway, api: Api, rest: Rest
) -> None:
    content = unlike()
    told = upload(api, content)
    file = File(told["sha256"], told["size"], "image/png")
    made = forward(api, await rest.receives("FILE", Image(file, "look")))
    assert made.status_code == 202, made.text
    (job,) = await rest.sends()
    assert job.decoded == Image(file, "look", forwarding_score=1)
    assert api.get(f"/api/messages/{made.json()['id']}/media").content == content
    (gateway.settings.media / digest(content)[:2] / digest(content)).unlink()
    gone = forward(api, made.json()["id"])
    assert refusal(gone) == (410, "media_gone")


async def test_a_message_is_marked_behind_what_its_chat_has_accepted(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("THEIRS", Text("well?"))
    answer = {"connection": "shop", "to": CHAT, "text": "a moment"}
    first = api.post("/api/messages", json=answer).json()
    mark = marked(api, f"/api/messages/{theirs}/read")
    assert mark == {"id": mark["id"], "status": "queued", "error": None}
    said, read = await rest.sends()
    assert (said.id, read.id) == (first["id"], mark["id"])
    assert (read.chat, read.decoded) == (CHAT, ReadMark((Target("THEIRS", CHAT),)))
    await rest.mirrors()
    listed = api.get("/api/messages", params={"connection": "shop"}).json()["items"]
    ids = {one["id"] for one in listed}
    assert {theirs, first["id"]} <= ids
    assert mark["id"] not in ids
    followed = api.get(f"/api/messages/{mark['id']}").json()
    assert (followed["type"], followed["status"]) == ("read_mark", "sent")


async def test_a_chat_is_marked_up_to_a_time_or_to_what_has_arrived(api: Api, rest: Rest) -> None:
    before = time.time()
    marked(api, CHAT_PATH)
    marked(api, CHAT_PATH.replace("@s.whatsapp.net", ""), json={"until": "2030-01-01T09:00:00Z"})
    now, then = await rest.sends()
    assert isinstance(now.decoded, ReadMark)
    assert now.decoded.arrived is not None
    assert before <= now.decoded.arrived <= time.time()
    assert now.decoded.until is None
    assert then.decoded == ReadMark(until=1_893_488_400.0)
    assert now.chat == then.chat == CHAT


async def test_a_key_gives_the_first_mark_again(api: Api, rest: Rest) -> None:
    first = marked(api, CHAT_PATH, key="read")
    again = api.post(CHAT_PATH, headers={"Idempotency-Key": "read"})
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first["id"], "true")
    other = {"until": "2030-01-01T09:00:00Z"}
    refused = api.post(CHAT_PATH, headers={"Idempotency-Key": "read"}, json=other)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_conflict")
    assert len(await rest.sends()) == 1


async def test_only_what_arrived_can_be_marked(api: Api, rest: Rest) -> None:
    ours = api.post("/api/messages", json={"connection": "shop", "to": CHAT, "text": "hi"}).json()
    phones = await rest.receives("PHONES", Text("by phone"), from_me=True)
    gone = f"{SHOP}.in.{'0' * 24}"
    for id_, status, code in (
        (ours["id"], 409, "not_incoming"),
        (phones, 409, "not_incoming"),
        (gone, 404, "unknown_message"),
        ("nothing", 404, "unknown_message"),
    ):
        refused = api.post(f"/api/messages/{id_}/read")
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    for path, status, code in (
        ("/api/chats/nobody/15550100002/read", 404, "unknown_connection"),
        ("/api/chats/shop/12/read", 422, "invalid_number"),
        ("/api/chats/shop/1@newsletter/read", 422, "unsupported_chat"),
    ):
        refused = api.post(path)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    await rest.sends()


async def test_a_mark_is_no_message_that_others_speak_of(api: Api, rest: Rest) -> None:
    mark = marked(api, CHAT_PATH)
    body = {"connection": "shop", "to": CHAT, "text": "hi", "reply_to": mark["id"]}
    refused = api.post("/api/messages", json=body)
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_target")
    await rest.sends()


async def test_a_mark_that_waits_can_be_cancelled(api: Api, rest: Rest) -> None:
    mark = marked(api, CHAT_PATH)
    cancelled = api.delete(f"/api/messages/{mark['id']}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert await rest.sends() == []


def test_a_mark_waits_for_a_redis_that_is_away(own_gateway: Gateway, own_valkey: Valkey) -> None:
    """G11: it is accepted once Redis is back."""
    own_valkey.kill()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(marked, own_gateway.api, CHAT_PATH)
        time.sleep(0.3)
        assert not asking.done()
        own_valkey.start()
        mark = asking.result()
    assert own_gateway.api.get(f"/api/messages/{mark['id']}").status_code == 200
