"""Dead letters over the API: listed in pages with the names of their chats, and sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.api.messages.test_messages import actor as actor  # noqa: PLC0414
from tests.integration.gateway.api.messages.test_messages import send

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.api.messages.test_messages import Actor
    from tests.integration.gateway.served import Api


async def test_dead_letters_are_shown_and_sent_again(api: Api, actor: Actor) -> None:
    dead = []
    for number in range(3):
        accepted = send(api, "bad", to=f"1555010001{number}")
        await actor.claim(accepted["id"])
        await actor.fail(accepted["id"], uncertain=number == 0)
        dead.append(accepted["id"])
    queue = api.get("/api/queue").json()
    [lane] = [each for each in queue["items"] if each["connection"] == "shop"]
    assert lane["dead"] == 3
    assert queue["dead"] == 3
    page = api.get("/api/queue/dead", params={"limit": 2}).json()
    assert [each["id"] for each in page["items"]] == dead[:2]
    assert page["items"][0]["error"] == "not_on_whatsapp"
    assert [each["uncertain"] for each in page["items"]] == [True, False]
    rest = api.get(
        "/api/queue/dead", params={"limit": 2, "after": page["next"], "connection": "shop"}
    ).json()
    assert [each["id"] for each in rest["items"]] == dead[2:]
    assert rest["next"] is None

    again = api.post(f"/api/queue/dead/{dead[0]}/retry")
    assert again.status_code == 202
    assert again.json()["status"] == "queued"
    twice = api.post(f"/api/queue/dead/{dead[0]}/retry")
    assert (twice.status_code, twice.json()["code"]) == (409, "not_dead")
    assert api.post("/api/queue/retry-failed", json={"connection": "shop"}).json() == {"retried": 2}
    assert api.post("/api/queue/retry-failed").json() == {"retried": 0}
    assert api.get("/api/queue/dead").json() == {"items": [], "next": None}


async def test_dead_letters_have_the_names_of_their_chats(
    api: Api, actor: Actor, documents: Documents
) -> None:
    await say(documents, 7_000, person(7000), "hello", sender_name="Ana Pereira")
    for chat in (person(7000), person(7001)):
        accepted = send(api, "bad", to=chat)
        await actor.claim(accepted["id"])
        await actor.fail(accepted["id"])
    letters = api.get("/api/queue/dead").json()["items"]
    assert [one["chat_name"] for one in letters] == ["Ana Pereira", None]
    api.post("/api/queue/retry-failed").raise_for_status()


async def test_pages_of_dead_letters_go_on_where_a_letter_died_again(
    api: Api, actor: Actor
) -> None:
    """A reader of every page who sends each letter again sees all that were dead at first."""
    dead = []
    for number in range(6):
        accepted = send(api, "bad", to=f"1555010004{number}")
        await actor.claim(accepted["id"])
        await actor.fail(accepted["id"])
        dead.append(accepted["id"])
    seen: list[str] = []
    after: dict[str, str] = {}
    while len(seen) < 2 * len(dead):
        page = api.get("/api/queue/dead", params={"limit": 2, "connection": "shop", **after}).json()
        for letter in page["items"]:
            seen.append(letter["id"])
            api.post(f"/api/queue/dead/{letter['id']}/retry").raise_for_status()
            await actor.claim(letter["id"])
            await actor.fail(letter["id"])
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    api.post("/api/queue/retry-failed").raise_for_status()
    assert seen[: len(dead)] == dead


async def test_dead_letters_are_sent_again_by_what_they_have_in_common(
    api: Api, actor: Actor
) -> None:
    dead = []
    for number in range(4):
        accepted = send(api, "bad", to=f"1555010003{number % 2}")
        await actor.claim(accepted["id"])
        await actor.fail(accepted["id"])
        dead.append(accepted["id"])

    def redrive(after: str | None = None, **which: Any) -> dict[str, Any]:
        page = {} if after is None else {"after": after}
        answer = api.post("/api/queue/redrive", json=which, params=page)
        assert answer.status_code == 202, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def left() -> list[str]:
        return [each["id"] for each in api.get("/api/queue/dead").json()["items"]]

    nothing = {"redriven": 0, "next": None}
    assert redrive(code="another") == nothing
    assert redrive(chat="15550100039") == nothing
    assert redrive(died_before="2020-01-01T00:00:00Z") == nothing
    assert (
        redrive(ids=["shop.3EB0D59EFA0BEB69943568", "no id", dead[0]], chat="1555010031") == nothing
    )
    assert left() == dead

    page = redrive(connection="shop", chat="15550100030", code="not_on_whatsapp", limit=1)
    assert page["redriven"] == 1
    assert left() == dead[1:]
    rest = redrive(connection="shop", chat="15550100030", after=page["next"])
    assert rest == {"redriven": 1, "next": None}
    assert left() == [dead[1], dead[3]]
    assert redrive(ids=[dead[3], dead[3]])["redriven"] == 1
    assert redrive(died_after="2020-01-01T00:00:00Z") == {"redriven": 1, "next": None}
    assert left() == []
    cursors: list[tuple[dict[str, str], str]] = [({}, "!"), ({}, "c2hvcA")]
    for which, after in (*cursors, ({"connection": "shop"}, "b3RoZXIgMQ")):
        refused = api.post("/api/queue/redrive", json=which, params={"after": after})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")
    unknown = api.post("/api/queue/redrive", json={"connection": "nobody"})
    assert unknown.json()["code"] == "unknown_connection"
    for identity in dead:
        api.delete(f"/api/messages/{identity}")


async def test_a_page_of_long_dead_letters_ends_early_and_goes_on(api: Api, actor: Actor) -> None:
    dead = []
    for number in range(20):
        accepted = send(api, "a" * 65_000, to=f"155501003{number:02}")
        await actor.claim(accepted["id"])
        await actor.fail(accepted["id"])
        dead.append(accepted["id"])
    query = {"connection": "shop", "limit": "50"}
    first = api.get("/api/queue/dead", params=query).json()
    rest = api.get("/api/queue/dead", params={**query, "after": first["next"]}).json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [17, 3, None]
    assert [each["id"] for each in first["items"] + rest["items"]] == dead
    api.post("/api/queue/retry-failed").raise_for_status()
