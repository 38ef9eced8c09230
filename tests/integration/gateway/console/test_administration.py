"""The console's pages of an administrator: API keys."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, OTHER, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    again = admin.submit(f"{KEYS}/{stored['id']}/revoke")
    assert again.status_code == 404


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
