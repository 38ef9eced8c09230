"""Webhooks of one connection: they come and go with it, and a key for it sees no others."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from actors.state.events.log import EventLog
from actors.state.tenants.ended_grants import end_limited
from gateway.http import api_keys
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import SOON, arrived, store_messages
from tests.unlimited import UNLIMITED
from tests.waits import until

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.served import Api

FREE = count(1000, 1000)


async def test_a_connections_own_webhook_comes_and_goes_with_it(
    documents: Documents, receiver: Receiver, api: Api
) -> None:
    made = api.post("/api/connections", json={"id": "own", "webhook": receiver.url})
    assert made.status_code == 201, made.text
    hook, own = made.json()["webhook"], made.json()["incarnation"]
    assert hook["connections"] == ["own"]
    receiver.secrets.append(hook["secret"])
    number = next(FREE)
    await store_messages(documents, number, 2, SHOP)
    wanted = await store_messages(documents, number + 2, 2, own)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted
    again = api.post("/api/connections", json={"id": "own", "webhook": receiver.url})
    assert again.status_code == 409
    assert len(api.get("/api/webhooks").json()["items"]) == 1, "nothing is left of what was refused"
    assert api.delete("/api/connections/own").status_code == 204
    await end_limited(documents, own)
    (ended,) = api.get("/api/webhooks").json()["items"]
    assert (ended["enabled"], ended["disabled_because"]) == (False, "ended")
    assert ended["connections"] == [own], "an admin sees whose it was"
    await store_messages(documents, number + 4, 1, own)
    on = api.patch(f"/api/webhooks/{hook['id']}", json={"enabled": True})
    again = api.post(f"/api/webhooks/{hook['id']}/deliveries/1/redeliver")
    for refused in (on, again):
        assert (refused.status_code, refused.json()["code"]) == (410, "connection_deleted")
    assert (await EventLog(documents).head()).webhooks == ()
    assert receiver.texts == wanted
    api.delete(f"/api/webhooks/{hook['id']}").raise_for_status()


async def test_a_key_for_some_connections_has_webhooks_for_those_alone(
    documents: Documents, gateway: Gateway, receiver: Receiver, hook: str
) -> None:
    _, key = await api_keys.create(
        documents, name="x", scopes=["admin"], connections=[OTHER], quota=UNLIMITED
    )
    with gateway.client(key) as client:
        until("the key is known", lambda: client.get("/api/webhooks").status_code == 200, SOON)
        assert client.get("/api/webhooks").json()["items"] == []
        path = f"/api/webhooks/{hook}"
        for answer in (
            client.get(path),
            client.patch(path, json={"enabled": False}),
            client.delete(path),
            client.post(f"{path}/secret"),
            client.get(f"{path}/deliveries"),
            client.post(f"{path}/deliveries/1/redeliver"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_webhook")
        for connections in (None, ["shop"], ["other", "shop"]):
            body = {"url": receiver.url, "connections": connections}
            assert client.post("/api/webhooks", json=body).status_code == 403
        made = client.post("/api/webhooks", json={"url": receiver.url, "connections": ["other"]})
        assert made.status_code == 201
        own = f"/api/webhooks/{made.json()['id']}"
        assert [each["id"] for each in client.get("/api/webhooks").json()["items"]] == [
            made.json()["id"]
        ]
        assert client.delete(own).status_code == 204
