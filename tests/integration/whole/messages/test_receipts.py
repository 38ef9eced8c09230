"""Read receipts through the API on a whole instance; the simulator is the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


@pytest.fixture
def hidden(instance: Instance) -> Iterator[None]:
    """The account shows nobody which messages it read."""
    account = f"/accounts/{ACCOUNT}"
    assert instance.simulator.post(account, json={"read_receipts": "none"}).is_success
    yield
    instance.simulator.post(account, json={"read_receipts": "all"})


def arrives(instance: Instance, text: str) -> dict[str, Any]:
    """Has the contact send a text; returns the message once it is stored."""
    instance.say(CONTACT, ACCOUNT, text)

    def look() -> dict[str, Any] | None:
        found = instance.messages(connection=SHOP)
        return next((one for one in found if one["text"] == text), None)

    return until(f"{text} is stored", look, 15)


def seen(instance: Instance, text: str) -> dict[str, Any]:
    """Returns the contact's view of a message."""
    items = instance.simulator.get(f"/contacts/{CONTACT}/said").json()["items"]
    # The newest: the contact may have said the same to another account.
    found: dict[str, Any] = next(one for one in reversed(items) if one["text"] == text)
    return found


def read(instance: Instance, text: str) -> bool:
    """Returns whether the account's other devices know that it read the message."""
    items = instance.simulator.get(f"/accounts/{ACCOUNT}").json()["read"]
    return seen(instance, text)["id"] in {one["id"] for one in items}


def test_a_message_is_read_through_the_api(instance: Instance) -> None:
    message = arrives(instance, "read one")
    answer = instance.api.post(f"/api/messages/{message['id']}/read")
    assert answer.is_success, answer.text
    until("the contact sees it", lambda: seen(instance, "read one")["read"], 30)


def test_a_chat_is_read_through_the_api(instance: Instance) -> None:
    for text in ("read first", "read second"):
        message = arrives(instance, text)
    answer = instance.api.post(f"/api/chats/{SHOP}/{message['chat']}/read")
    assert answer.is_success, answer.text
    for text in ("read first", "read second"):
        until("the contact sees it", lambda text=text: seen(instance, text)["read"], 30)  # type: ignore[misc]


@pytest.mark.usefixtures("hidden")
def test_a_contact_sees_nothing_of_an_account_that_hides_it(instance: Instance) -> None:
    """The receipt is of type `read-self` then; `read` would be a breach, and a remark."""
    message = arrives(instance, "read in secret")
    answer = instance.api.post(f"/api/messages/{message['id']}/read")
    assert answer.is_success, answer.text
    until("it is read", lambda: read(instance, "read in secret"), 15)
    assert not seen(instance, "read in secret")["read"]
    remarks = instance.simulator.get(f"/accounts/{ACCOUNT}").json()["remarks"]
    assert "read_receipts" not in remarks
