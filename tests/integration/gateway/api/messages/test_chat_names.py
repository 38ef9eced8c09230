"""Messages that went out, and those of a group before its name was known, have the name of their chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.api.messages.test_messages import send

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

GROUP = "120363000000000091@g.us"


async def test_a_message_that_went_out_has_the_name_of_its_chat(
    api: Api, documents: Documents
) -> None:
    await say(documents, 7_200, person(7200), "hello", sender_name="Ana Pereira")
    for chat, name in ((person(7200), "Ana Pereira"), (person(7201), None)):
        accepted = send(api, "hi", to=chat)
        shown = api.get(f"/api/messages/{accepted['id']}").json()
        assert (shown["chat_name"], shown["author"]) == (name, None)


async def test_the_first_message_of_a_group_has_the_name_that_came_later(
    api: Api, documents: Documents
) -> None:
    await say(documents, 7_300, GROUP, "one", sender=person(7300))
    query = {"connection": "shop", "chat": GROUP, "order": "oldest"}
    first = api.get("/api/messages", params=query).json()["items"]
    assert [one["chat_name"] for one in first] == [None]
    await say(documents, 7_301, GROUP, "two", sender=person(7300), chat_name="Chess club")
    now = api.get("/api/messages", params=query).json()["items"]
    assert [(one["text"], one["chat_name"]) for one in now] == [
        ("one", "Chess club"),
        ("two", "Chess club"),
    ]
