"""Headers of a webhook's own, its test event, and the attempts that its deliveries show."""

from __future__ import annotations

import json
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

from actors.state.documents import WEBHOOKS
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import KEY, ROOT, Gateway
from tests.integration.gateway.webhooks.stored_messages import SOON, arrived, store_messages
from tests.processes import forked
from tests.waits import eventually, until

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

FREE = count(1000, 1000)
SECRET = "Bearer psst-3f6b0c2d"


async def test_headers_go_with_each_delivery_and_are_seen_nowhere_else(
    documents: Documents, gateway: Gateway, receiver: Receiver, api: Api
) -> None:
    made = add(api, receiver, headers={"Authorization": SECRET, "X-Tenant": "psst-tenant"})
    path = f"/api/webhooks/{made['id']}"
    masked = {"Authorization": "***", "X-Tenant": "***"}
    try:
        assert made["headers"] == masked
        await arrived(receiver, await store_messages(documents, next(FREE)))
        assert receiver.headers["authorization"] == SECRET
        assert receiver.headers["x-tenant"] == "psst-tenant"
        assert receiver.forged == 0
        shown = [api.get(path), api.get("/api/webhooks"), api.get(f"{path}/deliveries")]
        assert shown[0].json()["headers"] == masked
        refused = api.patch(path, json={"headers": masked})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")
        refused = api.patch(path, json={"headers": {"X": "psst\r\nY: psst"}})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")
        receiver.answer = lambda _: 500
        assert api.post(f"{path}/test").json()["delivered"] is False
        for text in (*(each.text for each in shown), refused.text, gateway.log()):
            assert "psst" not in text
        changed = api.patch(path, json={"headers": {"X-Other": "2"}})
        assert changed.json()["headers"] == {"X-Other": "***"}
        receiver.answer = lambda _: None
        assert api.post(f"{path}/test").json()["delivered"] is True
        assert receiver.headers["x-other"] == "2"
        assert "authorization" not in receiver.headers
        assert api.patch(path, json={"headers": {}}).json()["headers"] == {}
        assert ((await documents.get(WEBHOOKS, made["id"])) or {})["headers"] == {}
    finally:
        api.delete(path)


async def test_a_test_event_is_signed_and_says_what_came_of_it(
    receiver: Receiver, hook: str, api: Api
) -> None:
    """Also where it is paused; nothing that happened is changed by it."""
    path = f"/api/webhooks/{hook}"
    api.patch(path, json={"enabled": False}).raise_for_status()
    before = api.get(path).json()
    receiver.seconds = 0.2
    tried = api.post(f"{path}/test").json()
    assert (tried["delivered"], tried["http_status"], tried["error"]) == (True, 204, None)
    assert 0.2 <= tried["seconds"] < 15
    (event,) = receiver.taken
    assert (event["id"], event["type"], event["seq"]) == (tried["event_id"], "webhook.test", 0)
    assert event["data"] == {"webhook": hook}
    assert receiver.forged == 0
    receiver.answer = lambda _: 410
    tried = api.post(f"{path}/test").json()
    assert (tried["delivered"], tried["http_status"], tried["error"]) == (False, 410, "status_410")
    receiver.stop()
    tried = api.post(f"{path}/test").json()
    assert (tried["delivered"], tried["http_status"], tried["error"]) == (
        False,
        None,
        "unreachable",
    )
    assert api.get(path).json() == before
    assert api.get(f"{path}/deliveries").json()["items"] == []


async def test_one_test_event_at_a_time_is_on_its_way_to_a_webhook(
    gateway: Gateway, receiver: Receiver, hook: str, api: Api
) -> None:
    receiver.seconds = 2.0
    path = f"/api/webhooks/{hook}/test"
    first: list[int] = []

    def ask() -> None:
        with gateway.client(KEY) as client:
            first.append(client.post(path).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    until("it is on its way", lambda: receiver.most, SOON)
    refused = api.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "test_running")
    asking.join(SOON)
    assert first == [200]
    receiver.seconds = 0.0
    assert api.post(path).status_code == 200, "the next may go"


async def test_each_attempt_shows_its_status_and_how_long_it_took(
    documents: Documents, receiver: Receiver, hook: str, api: Api
) -> None:
    number = next(FREE)
    refusals = iter([503, 500])
    receiver.answer = lambda event: (
        next(refusals, None) if event["data"]["text"] == f"text {number}" else None
    )
    receiver.seconds = 0.1
    await arrived(receiver, await store_messages(documents, number, 2, chats=2))
    await eventually("noted", lambda: _waiting(api, hook) == 0, SOON)
    other, refused = api.get(f"/api/webhooks/{hook}/deliveries").json()["items"]
    assert (refused["status"], refused["attempts"]) == ("delivered", 3)
    assert [each["http_status"] for each in refused["tries"]] == [503, 500, 204]
    assert [each["error"] for each in refused["tries"]] == ["status_503", "status_500", None]
    assert (other["status"], other["attempts"]) == ("delivered", 1)
    assert [each["http_status"] for each in other["tries"]] == [204]
    assert all(0.1 <= each["seconds"] < 15 for each in (*refused["tries"], *other["tries"]))
    assert refused["tries"][0]["at"] < refused["tries"][1]["at"] < refused["tried_at"]


def _waiting(api: Api, hook: str) -> int:
    return int(api.get(f"/api/webhooks/{hook}").json()["waiting"])


async def test_the_commands(
    documents: Documents, gateway: Gateway, receiver: Receiver, api: Api, tmp_path: Path
) -> None:
    """`add --headers`, `set-headers`, `test`, and the attempts that `deliveries` shows."""
    file = tmp_path / "headers"

    def run(*words: str, json_: bool = True) -> tuple[int, str]:
        command = [sys.executable, "-m", "gateway.cli", "webhooks", *words]
        command += ["--key", KEY, "--data", str(gateway.data), *(["--json"] if json_ else [])]
        ran = forked.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    file.write_text(f"Authorization: {SECRET}\n\nX-Tenant: a:b\n")
    made: dict[str, Any] = json.loads(run("add", receiver.url, "--headers", str(file))[1])
    hook = made["id"]
    receiver.secrets.append(made["secret"])
    try:
        assert made["headers"] == {"Authorization": "***", "X-Tenant": "***"}
        status, said = run("test", hook, json_=False)
        assert status == 0
        assert said.startswith("delivered HTTP 204 after 0.")
        assert (receiver.headers["authorization"], receiver.headers["x-tenant"]) == (SECRET, "a:b")
        receiver.answer = lambda _: 503
        status, said = run("test", hook, json_=False)
        assert status == 1
        assert said.startswith("status_503 HTTP 503 after 0.")
        receiver.answer = lambda _: None
        file.write_text("no colon\n")
        status, said = run("set-headers", hook, "--headers", str(file))
        assert (status, said.partition(";")[0]) == (1, "Line 1 of the headers has no colon")
        file.write_text("")
        assert json.loads(run("set-headers", hook, "--headers", str(file))[1])["headers"] == {}
        await arrived(receiver, await store_messages(documents, next(FREE)))
        await eventually("noted", lambda: _waiting(api, hook) == 0, SOON)
        _, listed = run("deliveries", hook, json_=False)
        head, row = listed.splitlines()[:2]
        assert "http status" in head
        assert " 204 " in row
    finally:
        run("remove", hook, "--yes")
