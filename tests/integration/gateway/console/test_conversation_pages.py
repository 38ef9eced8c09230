"""The console's conversations over HTTP: what a key may write, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.integration.gateway.api.test_chat_list import say
from tests.integration.gateway.console.test_console import made
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.state.documents import Documents

LIST = "/console/conversations/shop"
ANA = "15550100002@s.whatsapp.net"
THREAD = f"{LIST}/{ANA}"


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


@pytest_asyncio.fixture
async def reader(gateway: Gateway, documents: Documents) -> AsyncIterator[Person]:
    """Somebody who may read, and not send."""
    key = await made(gateway, documents, "read", connections=[SHOP])
    with Person(gateway, key.token) as person:
        yield person


async def test_a_key_that_may_read_is_offered_nothing_to_write(
    admin: Person, reader: Person, documents: Documents
) -> None:
    await say(documents, 1, ANA, "good morning")
    for address in (LIST, THREAD):
        assert ">Write</button>" in admin.get(address).text
        page = reader.get(address).text
        assert "good morning" in page
        assert ">Write</button>" not in page
        assert 'method="post"' not in page.partition("<main")[2]


def test_a_number_that_is_none_stays_on_the_page(admin: Person) -> None:
    wrong = admin.get(LIST, params={"to": '12"<b>'})
    assert wrong.status_code == 422
    assert 'value="12&#34;&lt;b&gt;" autofocus aria-invalid="true"' in wrong.text
    # Its script asks for the page as it is, and not for one without the refusal.
    assert 'data-live="/console/conversations/shop?to=12%22%3Cb%3E"' in wrong.text
