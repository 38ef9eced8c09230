"""Starts selected counters of a connection's process at 0, so that Prometheus' rates include the first event."""

from __future__ import annotations

from typing import Final

from actors.messages.file_deferral import Deferral
from actors.metrics.counters import measures

_FIRST: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("teimoso_messages_received", {}),
    ("teimoso_messages_undecryptable", {}),
    ("teimoso_acks_withheld", {"reason": "store"}),
    ("teimoso_acks_withheld", {"reason": "session"}),
    ("teimoso_socket_closes", {"cause": "network"}),
    ("teimoso_stanzas_unanswered", {"stanza": "message"}),
    ("teimoso_sends_deferred", {"reason": "reach_out_limited"}),
    ("teimoso_sends_deferred", {"reason": "new_chats_capped"}),
    ("teimoso_sends_deferred", {"reason": "new_chats_paced"}),
    ("teimoso_zombies", {}),
    ("teimoso_documents_set_aside", {}),
    *(
        ("teimoso_own_mistakes", {"action": action})
        for action in ("stanza.failed", "media.fetch", "history.put_off", "command", "send")
    ),
    *(("teimoso_files_deferred", {"reason": reason.value}) for reason in Deferral),
)


def declare() -> None:
    """Count each zero times."""
    for name, labels in _FIRST:
        measures.count(name, 0, **labels)
    measures.expect("teimoso_whatsapp_ack_seconds")
