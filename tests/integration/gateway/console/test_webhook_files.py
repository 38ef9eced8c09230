"""The way in which a webhook gets the files of messages, set on the console's pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "/console/webhooks"
URL = "https://example.com/teimoso"


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


def files(gateway: Gateway, webhook: str) -> tuple[Any, ...]:
    found = gateway.api.get(f"/api/webhooks/{webhook}").raise_for_status().json()
    return tuple(found[name] for name in ("media", "media_wait", "base64", "base64_limit"))


def added(admin: Person, **fields: str) -> str:
    """The id of a webhook that the form of the page adds."""
    made = admin.submit(PAGE, url=URL, **fields)
    assert made.status_code == 200, made.text
    found = re.search(r'href="/console/webhooks/([^"]+)"', made.text)
    assert found
    return found[1]


def test_a_webhook_is_added_with_files_as_chosen(gateway: Gateway, admin: Person) -> None:
    assert files(gateway, added(admin)) == ("apart", None, False, None)
    assert files(gateway, added(admin, wait="true")) == ("wait", 30, False, None)
    both = added(admin, wait="true", base64="true", media_wait="9", base64_limit="2000")
    assert files(gateway, both) == ("wait", 9, True, 2000)
    page = admin.get(f"{PAGE}/{both}").text
    assert (
        "A message waits for its file, 9 seconds at most; the file is in the event, up to 2.0 kB"
        in page
    )
    refused = admin.submit(PAGE, url=URL, base64="true")
    assert refused.status_code == 422
    assert "it goes with media: wait" in refused.text
    assert 'name="base64" value="true" checked' in refused.text


def test_files_of_a_webhook_are_changed_and_nothing_else(gateway: Gateway, admin: Person) -> None:
    webhook = added(admin, headers="X-One: 1")
    change = f"{PAGE}/{webhook}/change"
    for fields, then in (
        ({"wait": "true", "media_wait": "5"}, ("wait", 5, False, None)),
        ({"wait": "true", "base64": "true"}, ("wait", 5, True, 2**20)),
        ({"wait": "true", "base64": "true", "base64_limit": "7"}, ("wait", 5, True, 7)),
        ({}, ("apart", None, False, None)),
    ):
        assert admin.submit(change, setting="files", **fields).status_code == 200
        assert files(gateway, webhook) == then
        page = admin.get(f"{PAGE}/{webhook}").text
        assert ('name="wait" value="true" checked' in page) == (then[0] == "wait")
        assert ('name="base64" value="true" checked' in page) == then[2]
    for fields in ({"wait": "true", "media_wait": "301"}, {"wait": "true", "media_wait": "soon"}):
        refused = admin.submit(change, setting="files", **fields)
        assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
        assert 'name="wait" value="true" checked' in refused.text, "what was chosen stays"
    assert files(gateway, webhook) == ("apart", None, False, None)
    found = gateway.api.get(f"/api/webhooks/{webhook}").json()
    assert list(found["headers"]) == ["X-One"]
