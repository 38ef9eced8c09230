"""The console's pages of an administrator: API keys, webhooks and their deliveries, settings, logs."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import LIVE
from gateway.setting_texts import SETTING_FIELDS
from tests.clocks import believe_clock
from tests.integration.gateway.person import Person
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import KEY, OTHER, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import SOON, age, store_messages
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.state.documents import Documents
    from tests.processes.valkey import Valkey

KEYS = "/console/api-keys"
SECRET = re.compile(r'<pre class="line" id="secret"><code>([^<]+)</code>')


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One for all of these pages, with the connections ``shop`` and ``other``; it may reach loopback."""
    directory = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, valkey, webhook_url_private=True) as served:
        for connection in (SHOP, OTHER):
            served.connect(connection)
        yield served


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


def guest(gateway: Gateway, scope: str) -> Person:
    """Somebody who has this right for the connection ``shop`` alone."""
    wanted = {"name": "guest", "scopes": [scope], "connections": ["shop"]}
    return Person(gateway, gateway.api.post("/api/keys", json=wanted).json()["key"])


@pytest.fixture(scope="module")
def reader(gateway: Gateway) -> Iterator[Person]:
    with guest(gateway, "read") as person:
        yield person


@pytest.fixture(scope="module")
def tenant(gateway: Gateway) -> Iterator[Person]:
    """An admin of one connection."""
    with guest(gateway, "admin") as person:
        yield person


def secret(page: str) -> str:
    found = SECRET.search(page)
    assert found, page
    return unescape(found[1])


def test_a_key_is_made_shown_once_and_revoked(gateway: Gateway, admin: Person) -> None:
    fields = {"name": "Check <out>", "scope.send": "true", "connections": "shop, other"}
    made = admin.submit(KEYS, **fields)
    token = secret(made.text)
    assert 'data-live=""' in made.text, "no refresh takes it away"
    with gateway.client(token) as client:
        assert client.get("/api/connections").status_code == 403, "it may send alone"
    [stored] = [
        one for one in gateway.api.get("/api/keys").json()["items"] if one["name"] == "Check <out>"
    ]
    assert (stored["scopes"], stored["connections"]) == (["send"], ["other", "shop"])
    page = admin.get(KEYS).text
    assert token not in page
    assert "Check &lt;out&gt;" in page
    entry = page.partition(f'id="k-{stored["id"]}"')[2].partition("</details>")[0]
    assert "<li>sending messages, for other, shop</li>" in entry
    assert "your login here" in page, "of the key that is logged in"
    gone = admin.submit(f"{KEYS}/{stored['id']}/revoke")
    assert gone.url.path == KEYS
    assert stored["id"] not in gone.text
    with gateway.client(token) as client:
        assert client.get("/api/connections").status_code == 401
    assert admin.submit(f"{KEYS}/{stored['id']}/revoke").status_code == 404


@pytest.mark.parametrize(
    ("fields", "words", "status"),
    [
        ({"name": "x"}, "The field scopes", 422),
        ({"name": "", "scope.read": "true"}, "The field name", 422),
        ({"name": "x", "scope.read": "true", "connections": "none"}, "no such connection", 404),
    ],
)
def test_a_form_that_makes_no_key_tells_why_and_stays(
    admin: Person, fields: dict[str, str], words: str, status: int
) -> None:
    refused = admin.submit(KEYS, **fields)
    assert (refused.status_code, words in refused.text) == (status, True), refused.text
    assert 'role="alert"' in refused.text
    assert f'data-live="{KEYS}"' in refused.text
    assert f'name="name" required maxlength="200" autocomplete="off" value="{fields["name"]}"' in (
        refused.text
    )
    assert ("checked" in refused.text) == ("scope.read" in fields)


def test_a_tenants_admin_sees_and_makes_keys_of_its_connections_alone(
    gateway: Gateway, tenant: Person, reader: Person
) -> None:
    page = tenant.get(KEYS).text
    assert page.count('class="entry"') == 2, "its own, and the reader's"
    assert ">TEIMOSO_API_KEY</span>" not in page
    assert "other" not in page.partition("<ul")[2].partition("</ul>")[0]
    for names, status in (("", 403), ("shop other", 403), ("shop", 200)):
        fields = {"name": "part", "scope.read": "true", "connections": names}
        assert tenant.submit(KEYS, **fields).status_code == status, names
    [first] = [
        one for one in gateway.api.get("/api/keys").json()["items"] if one["connections"] is None
    ]
    assert tenant.submit(f"{KEYS}/{first['id']}/revoke").status_code == 404


def test_who_may_read_alone_finds_no_page_of_administration(reader: Person) -> None:
    assert KEYS not in reader.get("/console/system").text
    for answer in (
        reader.get(KEYS),
        reader.submit(KEYS, name="x"),
        reader.submit(f"{KEYS}/0c5a7b1e9d3f4286/revoke"),
    ):
        assert (answer.status_code, "missing_scope" in answer.text) == (403, True)


HOOKS = "/console/webhooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def hook(gateway: Gateway, receiver: Receiver) -> Iterator[str]:
    """The address of the page of a webhook that leads to `receiver`."""
    made = add(gateway.api, receiver, connections=["shop"])
    yield f"{HOOKS}/{made['id']}"
    gateway.api.delete(f"/api/webhooks/{made['id']}")


def test_a_webhook_is_added_changed_and_removed(
    gateway: Gateway, admin: Person, receiver: Receiver
) -> None:
    fields = {
        "url": receiver.url,
        "connections": "shop",
        "event.message.received": "true",
        "event.alert.raised": "true",
        "headers": "Authorization: Bearer h0sh\r\n\r\nX-Place: <desk>",
    }
    made = admin.submit(HOOKS, **fields)
    signs = secret(made.text)
    assert 'data-live=""' in made.text
    [stored] = gateway.api.get("/api/webhooks").json()["items"]
    base = f"{HOOKS}/{stored['id']}"
    assert f'href="{base}"' in made.text
    assert stored["events"] == ["alert.raised", "message.received"]
    assert stored["connections"] == ["shop"]
    assert {*stored["headers"]} == {"Authorization", "X-Place"}
    listed = admin.get(HOOKS).text
    assert "alert.raised, message.received of shop" in listed
    page = admin.get(base).text
    assert "<code>Authorization</code>, <code>X-Place</code>" in page
    assert not [word for word in (signs, "h0sh") if word in listed + page]
    assert ">Paused</span>" in admin.submit(f"{base}/change", enabled="false").text
    assert gateway.api.get(f"/api/webhooks/{stored['id']}").json()["enabled"] is False
    assert ">On</span>" in admin.submit(f"{base}/change", enabled="true").text
    admin.submit(f"{base}/change", setting="url", url=f"{receiver.url}?two")
    admin.submit(f"{base}/change", setting="headers", headers="X-One: 1")
    now = gateway.api.get(f"/api/webhooks/{stored['id']}").json()
    assert (now["url"], [*now["headers"]]) == (f"{receiver.url}?two", ["X-One"])
    rotated = secret(admin.submit(f"{base}/secret").text)
    assert rotated not in {signs, ""}
    assert "its secret and its headers" in admin.get(base).text
    gone = admin.submit(f"{base}/delete")
    assert (gone.url.path, stored["id"] in gone.text) == (HOOKS, False)
    assert admin.get(base).status_code == 404


def test_a_form_of_a_webhook_that_is_wrong_tells_why_and_stays(admin: Person, hook: str) -> None:
    wrong = {"url": "nonsense", "event.message.read": "true"}
    for address, fields, words in (
        (HOOKS, wrong, "The field url"),
        (HOOKS, {**wrong, "headers": "no h0sh"}, "Line 1 of the headers has no colon;"),
        (f"{hook}/change", {"setting": "url", "url": "nonsense"}, "The field url"),
        (f"{hook}/change", {"setting": "headers", "headers": "Host: h0sh"}, "that are reserved"),
    ):
        refused = admin.submit(address, **fields)
        assert (refused.status_code, words in refused.text) == (422, True), refused.text
        assert "h0sh" not in refused.text
        if "url" in fields:
            assert 'value="nonsense"' in refused.text
        assert refused.text.count(" checked>") == (address == HOOKS)


def test_a_test_event_is_sent_and_its_outcome_shown(
    admin: Person, receiver: Receiver, hook: str
) -> None:
    arrived = admin.submit(f"{hook}/test").text
    assert "It arrived." in arrived
    assert "HTTP 204 after" in arrived
    assert receiver.taken[-1]["type"] == "webhook.test"
    receiver.answer = lambda _: 503
    assert "It did not arrive.</strong> HTTP 503 after" in admin.submit(f"{hook}/test").text
    receiver.stop()
    assert "</strong> Unreachable after" in admin.submit(f"{hook}/test").text


async def test_deliveries_show_their_attempts_and_a_dead_one_is_delivered_again(
    gateway: Gateway, admin: Person, receiver: Receiver, hook: str, documents: Documents
) -> None:
    receiver.answer = lambda event: 500 if event["data"]["text"] == "text 1" else None
    admin.submit(f"{hook}/change", enabled="false")
    assert "None.</p>" in admin.get(hook).text
    await store_messages(documents, 1, 2, size=1)
    await age(documents, "text 1", 2 * 86_400)
    believe_clock(gateway.data)
    admin.submit(f"{hook}/change", enabled="true")

    def dead() -> str | None:
        page = admin.get(f"{hook}?status=dead").text
        return page if "Redeliver" in page else None

    page = await eventually("it is dead on the page", dead, SOON)
    [letter] = re.findall(r'<li class="letter" id="e-(\d+)">', page)
    assert re.search(r'<li class="refused">HTTP 500 after [\d.]+ m?s,', page)
    await eventually(
        "the other is delivered",
        lambda: "HTTP 204 after" in admin.get(f"{hook}?status=delivered").text,
        SOON,
    )
    everything = admin.get(hook).text
    assert everything.count('class="letter"') == 2
    assert everything.count("Redeliver</button>") == 1
    receiver.answer = lambda _: None
    again = admin.submit(f"{hook}/deliveries/{letter}/redeliver", status="dead")
    assert str(again.url).endswith("?status=dead")
    await eventually("it arrived", lambda: "text 1" in receiver.texts, SOON)
    refused = admin.submit(f"{hook}/deliveries/999999/redeliver")
    assert (refused.status_code, 'role="alert"' in refused.text) == (404, True)
    assert f'data-live="{hook}"' in refused.text


def test_webhooks_of_others_are_hidden_and_writing_takes_an_admin(
    gateway: Gateway, receiver: Receiver, hook: str, tenant: Person, reader: Person
) -> None:
    whole = add(gateway.api, receiver)["id"]
    page = tenant.get(HOOKS).text
    assert hook in page
    assert whole not in page
    assert tenant.get(f"{HOOKS}/{whole}").status_code == 404
    for verb in ("delete", "test", "secret", "change", "deliveries/1/redeliver"):
        assert tenant.submit(f"{HOOKS}/{whole}/{verb}").status_code == 404, verb
        refused = reader.submit(f"{hook}/{verb}")
        assert (refused.status_code, "missing_scope" in refused.text) == (403, True), verb
    assert tenant.submit(HOOKS, url=receiver.url).status_code == 403, "of all connections"
    for answer in (reader.get(HOOKS), reader.get(hook), reader.submit(HOOKS, url=receiver.url)):
        assert answer.status_code == 403
    gateway.api.delete(f"/api/webhooks/{whole}")


SETTINGS = "/console/settings"


def test_each_setting_is_shown_with_default_and_text_and_no_secret(
    gateway: Gateway, admin: Person, tenant: Person, reader: Person
) -> None:
    assert (password := gateway.settings.redis_password) is not None
    page = admin.get(SETTINGS).text
    assert password.get_secret_value() not in page
    for name in SETTING_FIELDS:
        assert f'<div id="{name}"' in page, name
    assert _row(page, "REDIS_PASSWORD").count("(set)") == 1
    private = _row(page, "WEBHOOK_URL_PRIVATE")
    assert "<code>true</code>" in private
    assert "default: <code>false</code>" in private
    assert "while running" not in private
    live = [name for name in SETTING_FIELDS if "while running" in _row(page, name)]
    assert sorted(live) == sorted(field.upper() for field in LIVE)
    assert "the default" in _row(page, "QUEUE_CONCURRENCY")
    changed = admin.get(f"{SETTINGS}?changed=true").text
    assert '<div id="WEBHOOK_URL_PRIVATE"' in changed
    assert '<div id="QUEUE_CONCURRENCY"' not in changed
    assert '<div id="CPU_THRESHOLD"' not in changed, "80.0 is 80"
    for person, code in ((tenant, "connection_forbidden"), (reader, "missing_scope")):
        refused = person.get(SETTINGS)
        assert (refused.status_code, code in refused.text) == (403, True)
        assert SETTINGS not in person.get("/console/system").text


def test_a_setting_that_was_changed_meanwhile_is_shown_as_it_is_now(
    gateway: Gateway, admin: Person
) -> None:
    gateway.settings.model_copy(update={"disk_reserve": 12_345, "queue_concurrency": 77}).save()
    try:
        page = admin.get(SETTINGS).text
    finally:
        gateway.settings.save()
    assert "<code>12345</code>" in _row(page, "DISK_RESERVE")
    assert "77" not in _row(page, "QUEUE_CONCURRENCY"), "the processes go by the one before"


def _row(page: str, name: str) -> str:
    return page.partition(f'<div id="{name}"')[2].partition("</div>")[0]


LOGS = "/console/logs"


@pytest.fixture(scope="module")
def lines(gateway: Gateway) -> list[str]:
    """Lines of logs as processes write them, the newest last; their events."""
    directory = gateway.settings.logs
    directory.mkdir()
    written: list[tuple[str, dict[str, Any]]] = [
        ("gateway", {"level": "info", "event": "request", "route": "/api/<x>"}),
        ("connection", {"level": "info", "event": "opened", "by": f"connection:{SHOP}/7"}),
        (
            "connection",
            {"level": "warning", "event": "lapsed", "connection": OTHER, "at": ["<x>", None]},
        ),
        ("connection", {"level": "error", "event": "broke", "connection": "shop--T99999999999"}),
        ("root", {"level": "critical", "event": "gave up", "action": "restart"}),
    ]
    for second, (part, fields) in enumerate(written):
        stamp = f"2030-01-01T09:00:{second:02d}.000000Z"
        with (directory / f"{part}.log").open("a") as file:
            file.write(json.dumps({**fields, "timestamp": stamp}) + "\n")
    return [fields["event"] for _, fields in written]


def _events(page: str) -> list[str]:
    return re.findall(r"<strong>([^<]+)</strong></p>", page.partition('id="lines"')[2])


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ({}, ["restart: gave up", "broke", "lapsed", "opened", "request"]),
        ({"part": "connection"}, ["broke", "lapsed", "opened"]),
        ({"connection": "shop"}, ["broke", "opened"]),
        ({"level": "error"}, ["restart: gave up", "broke"]),
        ({"level": "nonsense", "text": "API/<X>"}, ["request"]),
        ({"connection": "other", "level": "warning", "text": "lap"}, ["lapsed"]),
        ({"text": "nothing at all"}, []),
        ({"part": "../state"}, []),
    ],
)
def test_logs_are_filtered(
    admin: Person, lines: list[str], query: dict[str, str], events: list[str]
) -> None:
    page = admin.get(LOGS, params=query)
    assert (page.status_code, _events(page.text)) == (200, events)
    assert "<x>" not in page.text.casefold()
    assert ("No line." in page.text) == (not events)
    assert ("null]" in page.text) == ("lapsed" in events)


def test_a_new_line_is_on_the_page_of_who_looks_on(
    gateway: Gateway, admin: Person, lines: list[str]
) -> None:
    before = re.findall(r'<li id="(l-[^"]+)"', admin.part(LOGS).text)
    assert len(before) == len({*before}) == len(lines)
    file = gateway.settings.logs / "root.log"
    kept = file.read_text()
    file.write_text(kept + "no json, without a time of its own\n" * 2)
    try:
        after = re.findall(r'<li id="(l-[^"]+)"', admin.part(LOGS).text)
    finally:
        file.write_text(kept)
    assert len({*after}) == len(before) + 2
    assert after[2:] == before, "the others stay what they are"


def test_a_tenants_admin_sees_lines_about_its_connections_alone(
    tenant: Person, reader: Person, lines: list[str]
) -> None:
    assert _events(tenant.get(LOGS).text) == ["opened"], "none of a former connection of the name"
    assert _events(tenant.get(LOGS, params={"connection": "other"}).text) == []
    refused = reader.get(LOGS)
    assert (refused.status_code, "missing_scope" in refused.text) == (403, True)
    assert LOGS not in reader.get("/console/system").text
