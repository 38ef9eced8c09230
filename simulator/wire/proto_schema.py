"""Defines protobuf messages that the protocol library lacks or declares wrongly.

Described in code, in a pool of their own, after WhatsApp's WACert, WAAdv, WAWebProtobufsE2E,
WAWebProtobufsWeb, WAWebProtobufsHistorySync, WACompanionReg, WASyncAction and WAMmsRetry: the library knows
no certificates, its key index list holds one index where the protocol has many, its device
identity no type, its `Message` has neither
location nor contact card nor poll, its history is of fewer fields and one that is another's, and its app
state has neither stars nor chats that were read nor the salt of privacy tokens.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from simulator.wire.protocol_library import E2E, SYNC_ACTION

_PACKAGE: Final = "teimoso.simulator"
_FILE: Final = "teimoso/simulator.proto"
_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_UINT32: Final = _FIELD.TYPE_UINT32
_UINT64: Final = _FIELD.TYPE_UINT64
_INT32: Final = _FIELD.TYPE_INT32
_INT64: Final = _FIELD.TYPE_INT64
_BYTES: Final = _FIELD.TYPE_BYTES
_TEXT: Final = _FIELD.TYPE_STRING
_BOOL: Final = _FIELD.TYPE_BOOL
_DOUBLE: Final = _FIELD.TYPE_DOUBLE

_Fields = dict[str, list[tuple[str, int, Any]]]

# message → (field, number, type), a type being a scalar, a message's name, or a list of either;
# a name with a dot is of the library's package
_MESSAGES: Final[_Fields] = {
    "CertificateDetails": [
        ("serial", 1, _UINT32),
        ("issuer_serial", 2, _UINT32),
        ("key", 3, _BYTES),
        ("not_before", 4, _UINT64),
        ("not_after", 5, _UINT64),
    ],
    "NoiseCertificate": [("details", 1, _BYTES), ("signature", 2, _BYTES)],
    "CertChain": [("leaf", 1, "NoiseCertificate"), ("intermediate", 2, "NoiseCertificate")],
    "ADVDeviceIdentity": [
        ("raw_id", 1, _UINT32),
        ("timestamp", 2, _UINT64),
        ("key_index", 3, _UINT32),
        ("device_type", 5, _UINT32),
    ],
    "ADVKeyIndexList": [
        ("raw_id", 1, _UINT32),
        ("timestamp", 2, _UINT64),
        ("current_index", 3, _UINT32),
        ("valid_indexes", 4, [_UINT32]),
    ],
    # enumerations are written as the numbers that they are on the wire
    "HistorySync": [
        ("sync_type", 1, _UINT32),
        ("conversations", 2, ["Conversation"]),
        ("chunk_order", 5, _UINT32),
        ("progress", 6, _UINT32),
        ("pushnames", 7, ["Pushname"]),
        ("phone_number_to_lid_mappings", 15, ["PhoneNumberToLid"]),
        ("nct_salt", 19, _BYTES),
    ],
    "Conversation": [
        ("id", 1, _TEXT),
        ("messages", 2, ["HistorySyncMessage"]),
        ("last_msg_timestamp", 5, _UINT64),
        ("unread_count", 6, _UINT32),
        ("ephemeral_expiration", 9, _UINT32),
        ("ephemeral_setting_timestamp", 10, _INT64),
        ("end_of_history_transfer_type", 11, _UINT32),
        ("conversation_timestamp", 12, _UINT64),
        ("name", 13, _TEXT),
        ("participants", 20, ["GroupParticipant"]),
        ("tc_token", 21, _BYTES),
        ("tc_token_timestamp", 22, _UINT64),
        ("tc_token_sender_timestamp", 28, _UINT64),
        ("pn_jid", 39, _TEXT),
        ("lid_jid", 42, _TEXT),
    ],
    "HistorySyncMessage": [("message", 1, "WebMessageInfo"), ("msg_order_id", 2, _UINT64)],
    "WebMessageInfo": [
        ("key", 1, ".MessageKey"),
        ("message", 2, ".Message"),
        ("message_timestamp", 3, _UINT64),
        ("status", 4, _UINT32),
        ("participant", 5, _TEXT),
        ("push_name", 19, _TEXT),
        ("media_ciphertext_sha256", 20, _BYTES),
    ],
    "GroupParticipant": [("user_jid", 1, _TEXT), ("rank", 2, _UINT32)],
    "Pushname": [("id", 1, _TEXT), ("pushname", 2, _TEXT)],
    "PhoneNumberToLid": [("pn_jid", 1, _TEXT), ("lid_jid", 2, _TEXT)],
    "MediaRetryNotification": [
        ("stanza_id", 1, _TEXT),
        ("direct_path", 2, _TEXT),
        ("result", 3, _UINT32),
    ],
    "ServerErrorReceipt": [("stanza_id", 1, _TEXT)],
    "PollVoteMessage": [("selected_options", 1, [_BYTES])],
    "StarAction": [("starred", 1, _BOOL)],
    "LabelEditAction": [("name", 1, _TEXT), ("color", 2, _INT32), ("deleted", 4, _BOOL)],
    "LabelAssociationAction": [("labeled", 1, _BOOL)],
    "MarkChatAsReadAction": [("read", 1, _BOOL), ("message_range", 2, "SyncActionMessageRange")],
    "SyncActionMessageRange": [
        ("last_message_timestamp", 1, _INT64),
        ("messages", 3, ["SyncActionMessage"]),
    ],
    "NctSaltSyncAction": [("salt", 1, _BYTES)],
    "SyncActionMessage": [("key", 1, ".MessageKey"), ("timestamp", 2, _INT64)],
    "LIDMigrationMapping": [
        ("pn", 1, _UINT64),
        ("assigned_lid", 2, _UINT64),
        ("latest_lid", 3, _UINT64),
    ],
    "LIDMigrationMappingSyncPayload": [
        ("pn_to_lid_mappings", 1, ["LIDMigrationMapping"]),
        ("chat_db_migration_timestamp", 2, _UINT64),
    ],
    "LoginFlags": [("lc", 24, _INT32), ("lid_db_migrated", 41, _BOOL)],
    "DeviceProps": [("os", 1, _TEXT), ("history_sync_config", 5, _BYTES)],
    "ClientPairingProps": [("is_chat_db_lid_migrated", 1, _BOOL)],
    "CompanionEphemeralIdentity": [
        ("public_key", 1, _BYTES),
        ("device_type", 2, _UINT32),
        ("ref", 3, _TEXT),
    ],
    "CompanionCommitment": [("hash", 1, _BYTES)],
    "ProloguePayload": [
        ("companion_ephemeral_identity", 1, _BYTES),
        ("commitment", 2, "CompanionCommitment"),
    ],
    "PrimaryEphemeralIdentity": [("public_key", 1, _BYTES), ("nonce", 2, _BYTES)],
    "PairingRequest": [
        ("companion_public_key", 1, _BYTES),
        ("companion_identity_key", 2, _BYTES),
        ("adv_secret", 3, _BYTES),
    ],
    "EncryptedPairingRequest": [("encrypted_payload", 1, _BYTES), ("iv", 2, _BYTES)],
}

_QUOTING: Final = ("context_info", 17, ".ContextInfo")
# fields that the library's own messages lack
_LACKING: Final[_Fields] = {
    "Message": [
        ("contact_message", 4, ".ContactMessage"),
        ("location_message", 5, ".LocationMessage"),
        ("group_invite_message", 28, ".GroupInviteMessage"),
        ("message_context_info", 35, ".MessageContextInfo"),
        ("view_once_message", 37, ".FutureProofMessage"),
        ("ephemeral_message", 40, ".FutureProofMessage"),
        ("poll_creation_message", 49, ".PollCreationMessage"),
        ("poll_update_message", 50, ".PollUpdateMessage"),
        ("document_with_caption_message", 53, ".FutureProofMessage"),
        ("view_once_message_v2", 55, ".FutureProofMessage"),
        ("poll_creation_message_v2", 60, ".PollCreationMessage"),
        ("pin_in_chat_message", 63, ".PinInChatMessage"),
        ("poll_creation_message_v3", 64, ".PollCreationMessage"),
        ("secret_encrypted_message", 82, ".SecretEncryptedMessage"),
    ],
    "ProtocolMessage": [
        ("peer_data_operation_request_message", 16, ".PeerDataOperationRequestMessage"),
        (
            "peer_data_operation_request_response_message",
            17,
            ".PeerDataOperationRequestResponseMessage",
        ),
        ("lid_migration_mapping_sync_message", 23, ".LIDMigrationMappingSyncMessage"),
    ],
    "ContextInfo": [("expiration", 25, _UINT32), ("ephemeral_setting_timestamp", 26, _INT64)],
    "ImageMessage": [_QUOTING],
    "VideoMessage": [("gif_playback", 8, _BOOL), _QUOTING],
    "AudioMessage": [_QUOTING, ("waveform", 19, _BYTES)],
    "DocumentMessage": [("title", 3, _TEXT), _QUOTING],
    "StickerMessage": [_QUOTING],
    "HistorySyncNotification": [
        ("progress", 9, _UINT32),
        ("initial_hist_bootstrap_inline_payload", 11, _BYTES),
    ],
    "SyncActionValue": [
        ("star_action", 2, "StarAction"),
        ("label_edit_action", 14, "LabelEditAction"),
        ("label_association_action", 15, "LabelAssociationAction"),
        ("mark_chat_as_read_action", 20, "MarkChatAsReadAction"),
        ("nct_salt_sync_action", 80, "NctSaltSyncAction"),
    ],
    "ArchiveChatAction": [("message_range", 2, "SyncActionMessageRange")],
}
_ADDED: Final[_Fields] = {
    "ContactMessage": [("display_name", 1, _TEXT), ("vcard", 16, _TEXT), _QUOTING],
    "GroupInviteMessage": [
        ("group_jid", 1, _TEXT),
        ("invite_code", 2, _TEXT),
        ("invite_expiration", 3, _INT64),
        ("group_name", 4, _TEXT),
        ("caption", 6, _TEXT),
        ("context_info", 7, ".ContextInfo"),
    ],
    "LocationMessage": [
        ("degrees_latitude", 1, _DOUBLE),
        ("degrees_longitude", 2, _DOUBLE),
        ("name", 3, _TEXT),
        ("address", 4, _TEXT),
        ("url", 5, _TEXT),
        _QUOTING,
    ],
    "LIDMigrationMappingSyncMessage": [("encoded_mapping_payload", 1, _BYTES)],
    "MessageContextInfo": [
        ("message_secret", 3, _BYTES),
        ("message_add_on_duration_in_secs", 5, _UINT32),
    ],
    "PinInChatMessage": [
        ("key", 1, ".MessageKey"),
        ("type", 2, _UINT32),
        ("sender_timestamp_ms", 3, _INT64),
    ],
    "PollOption": [("option_name", 1, _TEXT)],
    "PollCreationMessage": [
        ("enc_key", 1, _BYTES),
        ("name", 2, _TEXT),
        ("options", 3, [".PollOption"]),
        ("selectable_options_count", 4, _UINT32),
        ("context_info", 5, ".ContextInfo"),
    ],
    "PollEncValue": [("enc_payload", 1, _BYTES), ("enc_iv", 2, _BYTES)],
    "SecretEncryptedMessage": [
        ("target_message_key", 1, ".MessageKey"),
        ("enc_payload", 2, _BYTES),
        ("enc_iv", 3, _BYTES),
        ("secret_enc_type", 4, _UINT32),
    ],
    "PlaceholderMessageResendRequest": [("message_key", 1, ".MessageKey")],
    "PeerDataOperationRequestMessage": [
        ("peer_data_operation_request_type", 1, _UINT32),
        ("placeholder_message_resend_request", 5, [".PlaceholderMessageResendRequest"]),
    ],
    "PlaceholderMessageResendResponse": [("web_message_info_bytes", 1, _BYTES)],
    "PeerDataOperationResult": [
        ("placeholder_message_resend_response", 4, ".PlaceholderMessageResendResponse"),
    ],
    "PeerDataOperationRequestResponseMessage": [
        ("peer_data_operation_request_type", 1, _UINT32),
        ("stanza_id", 2, _TEXT),
        ("peer_data_operation_result", 3, [".PeerDataOperationResult"]),
    ],
    "PollUpdateMessage": [
        ("poll_creation_message_key", 1, ".MessageKey"),
        ("vote", 2, ".PollEncValue"),
        ("sender_timestamp_ms", 4, _INT64),
    ],
}


def _describe(message: Any, fields: list[tuple[str, int, Any]], package: str) -> None:
    for name, number, kind in fields:
        field = message.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
        if isinstance(kind, list):
            field.label = _FIELD.LABEL_REPEATED
            kind = kind[0]  # noqa: PLW2901 - the type of the items
            field.options.packed = kind == _UINT32
        if isinstance(kind, str):
            field.type = _FIELD.TYPE_MESSAGE
            field.type_name = f".{E2E.package}{kind}" if kind[0] == "." else f".{package}.{kind}"
        else:
            field.type = kind


def _completed(library: Any) -> descriptor_pb2.FileDescriptorProto:
    """Returns a file of the library's messages, with the missing fields."""
    proto = descriptor_pb2.FileDescriptorProto.FromString(library.serialized_pb)
    own = {message.name: message for message in proto.message_type}
    for name in own.keys() & _LACKING.keys():
        _describe(own[name], _LACKING[name], _PACKAGE)
    return proto


def _messages() -> descriptor_pb2.FileDescriptorProto:
    """The end-to-end messages.

    They are proto2 like WhatsApp's, where presence of a field differs from a value that is not empty.
    """
    proto = _completed(E2E)
    proto.syntax = "proto2"
    own = {message.name: message for message in proto.message_type}
    kinds = own["ProtocolMessage"].enum_type[0]
    kinds.value.add(name="LID_MIGRATION_MAPPING_SYNC", number=22)
    for name, fields in _ADDED.items():
        _describe(proto.message_type.add(name=name), fields, proto.package)
    return proto


def _actions() -> descriptor_pb2.FileDescriptorProto:
    """The actions of app state; their fields are all optional, which has the same effect."""
    proto = _completed(SYNC_ACTION)
    proto.dependency.append(_FILE)
    return proto


def _described() -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto(
        name=_FILE, package=_PACKAGE, syntax="proto2", dependency=[E2E.name]
    )
    for name, fields in _MESSAGES.items():
        _describe(proto.message_type.add(name=name), fields, _PACKAGE)
    return proto


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_messages())
_pool.Add(_described())
_pool.Add(_actions())


def _message_class(name: str, package: str = _PACKAGE) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{package}.{name}"))


Message: Final = _message_class("Message", E2E.package)
CertificateDetails: Final = _message_class("CertificateDetails")
CertChain: Final = _message_class("CertChain")
ADVDeviceIdentity: Final = _message_class("ADVDeviceIdentity")
ADVKeyIndexList: Final = _message_class("ADVKeyIndexList")
HistorySync: Final = _message_class("HistorySync")
WebMessageInfo: Final = _message_class("WebMessageInfo")
MediaRetryNotification: Final = _message_class("MediaRetryNotification")
ServerErrorReceipt: Final = _message_class("ServerErrorReceipt")
SyncActionData: Final = _message_class("SyncActionData", SYNC_ACTION.package)
SyncActionValue: Final = _message_class("SyncActionValue", SYNC_ACTION.package)
PollVoteMessage: Final = _message_class("PollVoteMessage")
LIDMigrationMappingSyncPayload: Final = _message_class("LIDMigrationMappingSyncPayload")
LoginFlags: Final = _message_class("LoginFlags")
"""Fields of a login's `ClientPayload` that the library lacks."""
DeviceProps: Final = _message_class("DeviceProps")
ClientPairingProps: Final = _message_class("ClientPairingProps")
CompanionEphemeralIdentity: Final = _message_class("CompanionEphemeralIdentity")
ProloguePayload: Final = _message_class("ProloguePayload")
PrimaryEphemeralIdentity: Final = _message_class("PrimaryEphemeralIdentity")
PairingRequest: Final = _message_class("PairingRequest")
EncryptedPairingRequest: Final = _message_class("EncryptedPairingRequest")
