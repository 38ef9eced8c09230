"""Pictures of people on a whole instance: given as files, named in lists, and an event once they are other ones."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.gateway.receiver import Receiver
from tests.integration.whole.messages.test_kinds import says
from tests.integration.whole.shop import CONTACT, SHOP
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

PATH = f"/api/chats/{SHOP}/{CONTACT}/picture"


def test_a_person_has_another_picture(instance: Instance) -> None:
    """Each change is an event, also that there is none any more; lists show no former picture."""
    says(instance, text="I look different now")
    with Receiver() as receiver:
        hook = {"url": receiver.url, "events": ["contact.picture"], "connections": [SHOP]}
        made = instance.api.post("/api/webhooks", json=hook).raise_for_status().json()
        receiver.secrets.append(made["secret"])

        def shows(picture: bytes | None) -> dict[str, Any]:
            """The event of the picture that the person shows from now on."""
            before = len(receiver.taken)
            encoded = None if picture is None else base64.b64encode(picture).decode()
            changed = instance.simulator.post(
                f"/contacts/{CONTACT}/profile", json={"picture": encoded}
            )
            id_ = changed.raise_for_status().json()["picture"]
            until("the event came", lambda: len(receiver.taken) > before, 20)
            (event,) = receiver.taken[before:]
            data: dict[str, Any] = event["data"]
            assert (data["connection"], data["number"], data["picture_id"]) == (SHOP, CONTACT, id_)
            return data

        for picture in (b"\xff\xd8\xff first \xff\xd9", b"\xff\xd8\xff second \xff\xd9"):
            assert shows(picture)["name"] == "Person 0002"
            assert listed(instance) == {None}
            given = instance.api.get(PATH).raise_for_status()
            assert given.content == picture
            assert listed(instance) == {hashlib.sha256(picture).hexdigest()}
        shows(None)
        assert listed(instance) == {None}
        assert instance.api.get(PATH).json()["code"] == "no_picture"
        instance.api.delete(f"/api/webhooks/{made['id']}").raise_for_status()


def listed(instance: Instance) -> set[str | None]:
    """The pictures of the person in lists of chats and of people."""
    found = set()
    for path in ("/api/chats", "/api/contacts"):
        query = {"connection": SHOP, "search": CONTACT}
        (one,) = instance.api.get(path, params=query).raise_for_status().json()["items"]
        found.add(one["picture"])
    return found
