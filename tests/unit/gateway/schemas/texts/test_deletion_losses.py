from __future__ import annotations

from gateway.schemas.texts import deletion_losses

LANE = {"waiting": 1, "active": 1, "delayed": 1, "dead": 1}


def test_a_deletion_loses_session_queue_and_copies() -> None:
    linked = {"account": "15550100001@s.whatsapp.net"}
    assert deletion_losses.of_deletion(linked, LANE, bucket=True) == [
        "its session: +15550100001 has to be linked anew",
        "its queue: 3 messages not sent, 1 dead letter",
        "the copies of its session in the bucket",
        "its contacts and chats",
        "webhooks and API keys that are for it alone",
    ]


def test_what_is_not_known_or_not_there_is_not_counted() -> None:
    session, queue, *others = deletion_losses.of_deletion({"account": None}, None, bucket=False)
    assert (session, queue) == ("its session", "its queue: messages that wait are not sent")
    assert not any("bucket" in one for one in others)
    assert deletion_losses.of_logout({"account": None}) == ["its session"]


def test_a_deletion_of_a_webhook_loses_what_waits_for_it() -> None:
    for waiting, words in ((0, "0 events wait"), (1, "1 event waits"), (2, "2 events wait")):
        losses = deletion_losses.of_webhook({"waiting": waiting})
        assert losses == [
            "its secret and its headers",
            f"its deliveries; {words} for it",
        ]
