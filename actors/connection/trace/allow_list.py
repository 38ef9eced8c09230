"""Lists tags, attribute names and values of stanzas that an engine's trace shows; other words become sizes.

Only in stanzas that WhatsApp's server or this client writes by itself (`SERVERS_OWN`) unknown tags and
attribute names are shown as well, and the values of `WORDS` whatever they are: new words of the server are
what a trace is made for. In everything else a contact can put words of its own. `docs/trace.md` lists the
same, and a test compares the two.

Sources: the stanzas that whatsmeow, Baileys and whatsapp-rust read and write.
"""

from __future__ import annotations

from typing import Final

ANY: Final = "*"
"""Stands for every tag."""

SERVERS_OWN: Final = frozenset(
    {"ack", "failure", "ib", "iq", "stream:error", "stream:features", "success", "xmlstreamend"}
)
"""Stanzas whose words are the server's or this client's; an ``iq`` only where no person sent it.

A ``notification`` that comes from the server itself is one more. An ``ack`` repeats the type of what it
answers, which is therefore none of `WORDS`.
"""

SERVERS: Final = frozenset(
    {
        *("bot", "broadcast", "c.us", "call", "g.us", "hosted", "hosted.lid", "interop", "lid"),
        *("msgr", "newsletter", "s.whatsapp.net"),
    }
)
"""Servers of addresses: behind the ``@``, or alone in the place of an address."""

ADDRESSES: Final = frozenset(
    {
        *("author", "caller_lid", "caller_pn", "call-creator", "creator", "creator_lid"),
        *("creator_pn", "from", "group-jid", "jid", "lid", "new", "new_lid", "old", "old_lid"),
        *("parent_group_jid", "participant", "participant_lid", "participant_pn"),
        *("peer_recipient_lid", "peer_recipient_pn", "persona_id", "phone_number", "pn", "pn_jid"),
        *("recipient", "recipient_lid", "recipient_pn", "s_o", "s_o_pn", "sender_lid", "sender_pn"),
        *("target_chat_jid", "target_sender_jid", "thread_msg_sender_jid", "to"),
    }
)
"""Attributes of any tag whose value is an address: kind, running number and device are shown."""

IDS: Final = frozenset(
    {
        *("call-id", "edit_target_id", "id", "key", "message_id", "server_id", "sid", "stanza-id"),
        *("target_id", "thread_msg_id"),
    }
)
"""Attributes of any tag whose value is an id: a running number is shown.

A ``key`` is the id of a message in receipts that are aggregated by type, and of a request to create a group.
"""

SAME_PEOPLE: Final = {"c.us": "s.whatsapp.net", "hosted": "s.whatsapp.net", "hosted.lid": "lid"}
"""Servers at which a person has the running number that they have at another one."""

_BOOLEAN = frozenset({"true", "false", "0", "1"})
_CODES = frozenset(
    {
        *(
            "304",
            "400",
            "401",
            "402",
            "403",
            "404",
            "405",
            "406",
            "408",
            "409",
            "410",
            "411",
            "412",
        ),
        *(
            "413",
            "415",
            "417",
            "418",
            "419",
            "420",
            "421",
            "422",
            "423",
            "426",
            "428",
            "429",
            "431",
        ),
        *(
            "432",
            "440",
            "449",
            "452",
            "463",
            "475",
            "479",
            "480",
            "487",
            "488",
            "491",
            "495",
            "496",
        ),
        *("500", "501", "503", "504", "507", "515", "516", "550"),
    }
)
_DURATION = frozenset({"0", "86400", "604800", "7776000"})
_MESSAGE_TYPES = frozenset(
    {"event", "interactive", "media", "medianotify", "pay", "poll", "reaction", "text"}
)
_RECEIPT_TYPES = frozenset(
    {
        *("delivery", "enc_rekey_retry", "hist_sync", "inactive", "peer_msg", "played"),
        *("played-self", "read", "read-self", "retry", "sender", "server-error", "view"),
    }
)
_NOTIFICATION_TYPES = frozenset(
    {
        *("account_sync", "business", "companion_reg_refresh", "contacts", "crsc_continuation"),
        *(
            "devices",
            "disappearing_mode",
            "encrypt",
            "features",
            "hosted",
            "link_code_companion_reg",
        ),
        *("mediaretry", "mex", "newsletter", "pair-device-rotate-qr", "passkey_prologue_request"),
        *("pay", "picture", "privacy_token", "psa", "reachout-timelock-update", "registration"),
        *("server", "server_sync", "status", "w:gp2", "w:growth", "waffle"),
    }
)

VALUES: Final[dict[tuple[str, str], frozenset[str]]] = {
    (ANY, "addressing_mode"): frozenset({"lid", "pn"}),
    (ANY, "device_fanout"): _BOOLEAN,
    (ANY, "from_me"): _BOOLEAN,
    (ANY, "is_hosted"): _BOOLEAN,
    (ANY, "refresh_lid"): _BOOLEAN,
    **dict.fromkeys(
        (
            *(("ack", "error"), ("error", "code"), ("failure", "reason"), ("item", "error")),
            *(("participant", "error"), ("receipt", "error"), ("user", "error")),
        ),
        _CODES,
    ),
    ("ack", "class"): frozenset(
        {"appdata", "call", "message", "notification", "presence", "receipt", "status"}
    ),
    ("ack", "type"): _MESSAGE_TYPES | _RECEIPT_TYPES | _NOTIFICATION_TYPES,
    ("audio", "enc"): frozenset({"opus"}),
    ("chatstate", "media"): frozenset({"audio"}),
    ("collection", "has_more_patches"): _BOOLEAN,
    ("collection", "name"): frozenset(
        {"critical_block", "critical_unblock_low", "regular", "regular_high", "regular_low"}
    ),
    ("collection", "return_snapshot"): _BOOLEAN,
    ("composing", "media"): frozenset({"audio"}),
    ("contact", "type"): frozenset({"in", "invalid", "out"}),
    ("disappearing_mode", "duration"): _DURATION,
    ("enc", "decrypt-fail"): frozenset({"hide"}),
    ("enc", "mediatype"): frozenset(
        {
            *("audio", "button", "buttons", "buttons_response", "contact_array", "document", "gif"),
            *("group_history", "image", "list", "list_response", "livelocation", "location"),
            *("native_flow_response", "order", "product", "ptt", "ptv", "sticker", "sticker_pack"),
            *("url", "vcard", "video"),
        }
    ),
    ("enc", "type"): frozenset({"frskmsg", "msg", "msmsg", "pkmsg", "skmsg"}),
    ("enc", "v"): frozenset({"1", "2", "3"}),
    ("ephemeral", "expiration"): _DURATION,
    ("iq", "type"): frozenset({"error", "get", "result", "set"}),
    ("message", "category"): frozenset({"peer"}),
    ("message", "context"): frozenset({"status"}),
    ("message", "edit"): frozenset({"1", "2", "3", "7", "8"}),
    ("message", "expiration"): _DURATION,
    ("message", "push_priority"): frozenset({"high", "high_force"}),
    ("message", "type"): _MESSAGE_TYPES,
    ("message", "verified_level"): frozenset({"high", "low", "unknown"}),
    ("meta", "appdata"): frozenset({"default"}),
    ("meta", "event_type"): frozenset({"creation", "edit", "response"}),
    ("meta", "polltype"): frozenset({"creation", "quiz_creation", "result_snapshot", "vote"}),
    ("notification", "type"): _NOTIFICATION_TYPES,
    ("participant", "type"): frozenset({"admin", "superadmin"}),
    ("presence", "last"): frozenset({"deny", "error", "none"}),
    ("presence", "type"): frozenset({"available", "subscribe", "unavailable", "unsubscribe"}),
    ("receipt", "category"): frozenset({"peer"}),
    ("receipt", "context"): frozenset({"status"}),
    ("receipt", "type"): _RECEIPT_TYPES,
    ("reject", "reason"): frozenset({"busy", "uncallable"}),
    ("terminate", "reason"): frozenset(
        {
            *("accepted_elsewhere", "busy", "call_link_revoked", "group_call_ended", "hangup"),
            *("rejected_elsewhere", "timeout"),
        }
    ),
    ("token", "type"): frozenset({"trusted_contact"}),
    ("unavailable", "type"): frozenset({"bot", "hosted", "view_once"}),
    ("user", "type"): _RECEIPT_TYPES,
}
"""Values that are shown, by tag and attribute."""

NUMBERS: Final = frozenset(
    {
        *(("ack", "count"), ("ack", "error"), ("error", "backoff"), ("error", "code")),
        *(("collection", "version"), ("count", "value"), ("device", "id"), ("device", "key-index")),
        *(("enc", "count"), ("failure", "code"), ("failure", "reason"), ("group", "size")),
        *(
            ("iq", "smax_id"),
            ("item", "error"),
            ("key-index-list", "v"),
            ("media_conn", "max_buckets"),
        ),
        *(
            ("media_conn", "ttl"),
            ("message", "count"),
            ("message", "offline"),
            ("offline", "count"),
        ),
        *(("offline_batch", "count"), ("offline_preview", "appdata"), ("offline_preview", "call")),
        *(("offline_preview", "count"), ("offline_preview", "message")),
        *(("offline_preview", "notification"), ("offline_preview", "receipt")),
        *(("offline_preview", "status"), ("participant", "error"), ("prop", "config_code")),
        *(("receipt", "error"), ("receipt", "offline"), ("retry", "count"), ("retry", "error")),
        *(("notification", "offline"), ("call", "offline"), ("status", "offline"), ("retry", "v")),
        *(("devices", "version"), ("stream:error", "code"), ("user", "error"), ("usync", "index")),
    }
)
"""Values that are shown where they are small numbers; see `shape.NUMBER` and `shape.SMALL_NUMBER`."""

WORDS: Final = frozenset(
    {
        *(("conflict", "type"), ("contact", "type")),
        *(("dirty", "type"), ("error", "text"), ("host", "type")),
        *(("iq", "type"), ("iq", "xmlns"), ("link_code_companion_reg", "stage")),
        *(("notification", "type"), ("picture", "type"), ("remove-companion-device", "reason")),
        *(("update", "op_name"), ("usync", "context"), ("usync", "last")),
        *(("usync", "mode"), ("item", "action"), ("collection", "type"), ("query", "request")),
        *(("link_code_companion_reg", "should_show_push_notification"), ("sync", "protocol")),
    }
)
"""Values that are shown where the server or this client wrote the stanza by itself."""

TAGS: Final = frozenset(
    {
        # messages and what is in them
        *("ack", "appdata", "biz", "bot", "body", "campaign", "content_binding", "cstoken", "ctwa"),
        *("device-identity", "enc", "franking", "franking_tag", "hsm", "interactive", "message"),
        *("messages", "message_updates", "meta", "multicast", "native_flow", "participants"),
        *("plaintext", "rcat", "reaction", "reactions", "reporting", "reporting_tag"),
        *("reporting_token", "result", "sender_content_binding", "status", "tctoken", "thread"),
        *("to", "unavailable", "url_number", "url_text", "user", "verified_name", "views_count"),
        # receipts and retries
        *("error", "id", "identity", "item", "key", "keys", "list", "receipt", "registration"),
        *("retry", "rmr", "signature", "skey", "type", "value", "encrypt", "enc_iv", "enc_p"),
        # presence and calls
        *("accept", "audio", "call", "capability", "chatstate", "composing", "destination", "enc"),
        *("enc_rekey", "encopt", "group_info", "group_update", "heartbeat", "mute_v2", "net"),
        *("notify", "offer", "offer_notice", "paused", "preaccept", "presence", "reject", "relay"),
        *("relaylatency", "rte", "te", "te2", "terminate", "token", "transport", "video"),
        *("voip_settings", "device", "userrate", "video_state", "flowcontrol", "uploadfieldstat"),
        # notifications of people and groups
        *("add", "announcement", "count", "create", "created_membership_requests", "delete"),
        *("demote", "description", "devices", "disappearing_mode", "ephemeral", "group"),
        *("group_join", "growth_locked", "growth_unlocked", "hash", "invite", "key-index-list"),
        *("leave", "link", "linked_parent", "locked", "lid", "member_add_mode", "member_link_mode"),
        *("member_share_group_history_mode", "membership_approval_mode", "privacy", "profile"),
        *("membership_approval_request", "membership_approval_requests", "modify", "notification"),
        *("no_frequently_forwarded", "not_announcement", "not_ephemeral", "parent", "participant"),
        *("frequently_forwarded_ok", "picture", "promote", "remove", "requested_user", "revoke"),
        *("revoked_membership_requests", "set", "subject", "suspended", "tokens", "unlink"),
        *("unlocked", "unsuspended", "update", "business_profile", "product", "collection"),
        *("product_catalog", "catalog", "live_updates", "settings", "sync", "groups", "request"),
        *("default_sub_group", "hidden_group", "general_chat", "limit_sharing_enabled", "contacts"),
        *("allow_non_admin_sub_group_creation", "sub_group_suggestion", "clean", "reason"),
        # the server's own
        *("failure", "ib", "iq", "stream:error", "stream:features", "success", "xmlstreamend"),
    }
)
"""Tags that are shown wherever they stand."""

NAMES: Final = (
    ADDRESSES
    | IDS
    | {name for _, name in (*VALUES, *NUMBERS, *WORDS)}
    | {
        *("a_v_id", "action", "actual_actors", "admin", "auth", "caller_country_code", "category"),
        *("context", "count", "creation", "creation_ts", "creator_country_code", "deleted_count"),
        *("device_hash", "device_lid_hash", "device_class", "dhash", "duration", "e", "expiration"),
        *("hash", "hostname", "is_sender", "joinable", "key-index", "latency", "link_type", "name"),
        *("mode", "native_flow_name", "notify", "offline", "p_v_id", "phash", "platform", "prev"),
        *("prev_v_id", "privacy_mode_ts", "priority", "protocol", "pushname", "rate", "reason"),
        *("request_method", "request_time", "s_t", "sender_timestamp_ms", "size", "state", "t"),
        *("subject", "text", "timestamp", "trigger", "ts", "ttl", "unlink_reason", "unlink_type"),
        *("url", "username", "v", "v_id", "value", "verified_name", "version", "xmlns", "w", "h"),
        *("host_storage", "privacy", "media", "serial", "background", "index", "net", "medium"),
        *("participant_username", "recipient_username", "peer_recipient_username", "mimetype"),
        *("sender_country_code", "display_name", "event_id", "key_id", "tag", "server_sync"),
    }
)
"""Attribute names that are shown wherever they stand; most of them without their value."""
