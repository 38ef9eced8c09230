"""Lists tags, attribute names and values of stanzas that a trace shows; other words become sizes.

Only in stanzas that WhatsApp's server or the client writes by itself (`SERVERS_OWN`) unknown tags and
attribute names are shown as well, and the values of `WORDS` whatever they are: new words of the server are
what a trace is made for. In everything else a contact can put words of its own. `docs/trace.md` lists the
same, and a test compares the two.

Sources: the stanzas that whatsmeow, Baileys and whatsapp-rust read and write.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    """Tag and attribute of each entry; entries are separated by commas."""
    return frozenset((tag, name) for tag, name in map(str.split, text.split(",")))


def _values(text: str) -> dict[tuple[str, str], frozenset[str]]:
    """Values by tag and attribute; lines that are indented further go on with an entry."""
    values = {}
    for entry in text.strip().replace("\n        ", " ").splitlines():
        pairs, _, listed = entry.partition(": ")
        values.update(dict.fromkeys(_pairs(pairs), _words(listed)))
    return values


ANY: Final = "*"
"""Any tag without a row of its own for the attribute."""

SERVERS_OWN: Final = _words("""
    ack failure ib iq stream:error stream:features success xmlstreamend
""")
"""Stanzas whose words are the server's or the client's; an ``iq`` only where no person sent it.

A ``notification`` that comes from the server itself is one more. An ``ack`` repeats the type of what it
answers, which is therefore none of `WORDS`.
"""

SERVERS: Final = _words("""
    bot broadcast c.us call g.us hosted hosted.lid interop lid msgr newsletter s.whatsapp.net
""")
"""Servers of addresses."""

SAME_PEOPLE: Final = {"c.us": "s.whatsapp.net", "hosted": "s.whatsapp.net", "hosted.lid": "lid"}
"""Server parts that name the same people as another one, and share its running numbers."""

ADDRESSES: Final = _words("""
    author call-creator caller_lid caller_pn creator creator_lid creator_pn from group-jid jid
    lid new new_lid old old_lid parent_group_jid participant participant_lid participant_pn
    peer_recipient_lid peer_recipient_pn persona_id phone_number pn pn_jid recipient
    recipient_lid recipient_pn s_o s_o_pn sender_lid sender_pn target_chat_jid target_sender_jid
    thread_msg_sender_jid to
""")
"""Attributes whose value is an address: kind, running number and device are shown."""

IDS: Final = _words("""
    call-id edit_target_id id key message_id server_id sid stanza-id target_id thread_msg_id
""")
"""Attributes whose value is an id: a running number is shown.

A ``key`` is the id of a message in receipts that are aggregated by type, and of a request to create a group.
"""

VALUES: Final = _values("""
    * addressing_mode: lid pn
    * device_fanout, * from_me, * is_hosted, * refresh_lid, collection has_more_patches,
        collection return_snapshot: 0 1 false true
    ack class: appdata call message notification presence receipt status
    ack error, error code, failure reason, item error, participant error, receipt error, user
        error: 304 400 401 402 403 404 405 406 408 409 410 411 412 413 415 417 418 419 420 421
        422 423 426 428 429 431 432 440 449 452 463 475 479 480 487 488 491 495 496 500 501 503
        504 507 515 516 550
    ack type: account_sync business companion_reg_refresh contacts crsc_continuation delivery
        devices disappearing_mode enc_rekey_retry encrypt event features hist_sync hosted
        inactive interactive link_code_companion_reg media medianotify mediaretry mex newsletter
        pair-device-rotate-qr passkey_prologue_request pay peer_msg picture played played-self
        poll privacy_token psa reachout-timelock-update reaction read read-self registration
        retry sender server server-error server_sync status text view w:gp2 w:growth waffle
    audio enc: opus
    chatstate media, composing media: audio
    collection name: critical_block critical_unblock_low regular regular_high regular_low
    contact type: in invalid out
    disappearing_mode duration, ephemeral expiration, message expiration: 0 604800 7776000 86400
    enc decrypt-fail: hide
    enc mediatype: audio button buttons buttons_response contact_array document gif
        group_history image list list_response livelocation location native_flow_response order
        product ptt ptv sticker sticker_pack url vcard video
    enc type: frskmsg msg msmsg pkmsg skmsg
    enc v: 1 2 3
    iq type: error get result set
    message category, receipt category: peer
    message context, receipt context: status
    message edit: 1 2 3 7 8
    message push_priority: high high_force
    message type: event interactive media medianotify pay poll reaction text
    message verified_level: high low unknown
    meta appdata: default
    meta event_type: creation edit response
    meta polltype: creation quiz_creation result_snapshot vote
    notification type: account_sync business companion_reg_refresh contacts crsc_continuation
        devices disappearing_mode encrypt features hosted link_code_companion_reg mediaretry mex
        newsletter pair-device-rotate-qr passkey_prologue_request pay picture privacy_token psa
        reachout-timelock-update registration server server_sync status w:gp2 w:growth waffle
    participant type: admin superadmin
    presence last: deny error none
    presence type: available subscribe unavailable unsubscribe
    receipt type, user type: delivery enc_rekey_retry hist_sync inactive peer_msg played
        played-self read read-self retry sender server-error view
    reject reason: busy uncallable
    terminate reason: accepted_elsewhere busy call_link_revoked group_call_ended hangup
        rejected_elsewhere timeout
    token type: trusted_contact
    unavailable type: bot hosted view_once
""")
"""Values that are shown, by tag and attribute."""

NUMBERS: Final = _pairs("""
    ack count, ack error, call offline, collection version, count value, device id, device
    key-index, devices version, enc count, error backoff, error code, failure code, failure
    reason, group size, iq smax_id, item error, key-index-list v, media_conn max_buckets,
    media_conn ttl, message count, message offline, notification offline, offline count,
    offline_batch count, offline_preview appdata, offline_preview call, offline_preview count,
    offline_preview message, offline_preview notification, offline_preview receipt,
    offline_preview status, participant error, prop config_code, receipt error, receipt offline,
    retry count, retry error, retry v, status offline, stream:error code, user error, usync
    index
""")
"""Tags and attributes whose small numbers are shown."""

WORDS: Final = _pairs("""
    collection type, conflict type, contact type, dirty type, error text, host type, iq type, iq
    xmlns, item action, link_code_companion_reg should_show_push_notification,
    link_code_companion_reg stage, notification type, picture type, query request,
    remove-companion-device reason, sync protocol, update op_name, usync context, usync last,
    usync mode
""")
"""Tags and attributes whose value is shown where the server or the client wrote the stanza."""

TAGS: Final = _words("""
    accept ack add allow_non_admin_sub_group_creation announcement appdata audio biz body bot
    business_profile call campaign capability catalog chatstate clean collection composing
    contacts content_binding count create created_membership_requests cstoken ctwa
    default_sub_group delete demote description destination device device-identity devices
    disappearing_mode enc enc_iv enc_p enc_rekey encopt encrypt ephemeral error failure
    flowcontrol franking franking_tag frequently_forwarded_ok general_chat group group_info
    group_join group_update groups growth_locked growth_unlocked hash heartbeat hidden_group hsm
    ib id identity interactive invite iq item key key-index-list keys leave lid
    limit_sharing_enabled link linked_parent list live_updates locked member_add_mode
    member_link_mode member_share_group_history_mode membership_approval_mode
    membership_approval_request membership_approval_requests message message_updates messages
    meta modify multicast mute_v2 native_flow net no_frequently_forwarded not_announcement
    not_ephemeral notification notify offer offer_notice parent participant participants paused
    picture plaintext preaccept presence privacy product product_catalog profile promote rcat
    reaction reactions reason receipt registration reject relay relaylatency remove reporting
    reporting_tag reporting_token request requested_user result retry revoke
    revoked_membership_requests rmr rte sender_content_binding set settings signature skey
    status stream:error stream:features sub_group_suggestion subject success suspended sync
    tctoken te te2 terminate thread to token tokens transport type unavailable unlink unlocked
    unsuspended update uploadfieldstat url_number url_text user userrate value verified_name
    video video_state views_count voip_settings xmlstreamend
""")
"""Tags that are shown wherever they stand."""

_FURTHER_NAMES: Final = _words("""
    a_v_id actual_actors admin auth background caller_country_code creation creation_ts
    creator_country_code deleted_count device_class device_hash device_lid_hash dhash
    display_name e event_id h hash host_storage hostname is_sender joinable key_id latency
    link_type medium mimetype native_flow_name net notify p_v_id participant_username
    peer_recipient_username phash platform prev prev_v_id priority privacy privacy_mode_ts
    pushname rate recipient_username request_method request_time s_t sender_country_code
    sender_timestamp_ms serial server_sync state subject t tag timestamp trigger ts
    unlink_reason unlink_type url username v_id verified_name w
""")
"""Attribute names without a list of their own."""

NAMES: Final = ADDRESSES | IDS | {name for _, name in (*VALUES, *NUMBERS, *WORDS)} | _FURTHER_NAMES
"""Attribute names that are shown wherever they stand."""
