from __future__ import annotations

from typing import Any

from gateway.schemas.texts import losses

LANE = {"waiting": 1, "active": 1, "delayed": 1, "dead": 1}


def test_a_deletion_loses_session_queue_and_copies() -> None:
    linked = {"account": "15550100001@s.whatsapp.net"}
    assert losses.of_deletion(linked, LANE, bucket=True) == [
        "its session: +15550100001 has to be linked anew",
        "its queue: 3 messages not sent, 1 dead letter",
        "the copies of its session in the bucket",
        "its contacts and chats",
        "webhooks and API keys that are for it alone",
    ]


def test_what_is_not_known_or_not_there_is_not_counted() -> None:
    session, queue, *others = losses.of_deletion({"account": None}, None, bucket=False)
    assert (session, queue) == ("its session", "its queue: messages that wait are not sent")
    assert not any("bucket" in one for one in others)
    assert losses.of_logout({"account": None}) == ["its session"]


def test_a_deletion_of_a_webhook_loses_what_waits_for_it() -> None:
    for waiting, words in ((0, "0 events wait"), (1, "1 event waits"), (2, "2 events wait")):
        lost = losses.of_webhook({"waiting": waiting})
        assert lost == [
            "its secret and its headers",
            f"its deliveries; {words} for it",
        ]


def key(*scopes: str, connections: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"scopes": list(scopes), "connections": connections, "ended_at": None, **more}


def test_a_key_loses_what_its_scopes_allow_for_its_connections() -> None:
    assert losses.of_revocation(
        key("send", "read", connections=["desk", "shop"]), [], own=False
    ) == [
        "sending messages, for desk, shop",
        "reading messages and events, for desk, shop",
    ]
    assert losses.of_revocation(key("metrics"), [], own=False) == [
        "scrapes of the metrics, for all connections"
    ]


def test_the_last_key_that_may_do_everything_and_the_own_login_are_named() -> None:
    last = losses.of_revocation(
        key("admin"), [key("read"), key("admin", connections=["shop"])], own=True
    )
    assert len(last) == 6
    assert last[-2].startswith("your login")
    assert last[-1].startswith("the last key that may do everything")
    assert len(losses.of_revocation(key("admin"), [key("admin")], own=False)) == 4
    assert (
        "last key"
        in losses.of_revocation(key("admin"), [key("admin", ended_at="T")], own=False)[-1]
    )
    assert (
        "last key" not in losses.of_revocation(key("admin", connections=["a"]), [], own=False)[-1]
    )


def test_an_ended_key_loses_nothing() -> None:
    [only] = losses.of_revocation(key("read", connections=["a"], ended_at="T"), [], own=False)
    assert only.startswith("nothing")
