"""Builds the handshake's client payload, which registers a new device or logs in a paired one.

The last handshake message carries it. `registration` asks for a pairing, `login` names a device
that is paired.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from actors.connection.native.signal.signatures import KEY_TYPE
from actors.connection.protocol.wire_format.nodes import proto

if TYPE_CHECKING:
    from actors.connection.protocol.identities.addresses import Address

LINKED_DEVICE_NAME = "Teimoso"
"""The name that the phone lists under its linked devices."""


MOST_LOGINS: Final = 2**31 - 1
"""The counter has 32 bits."""


def registration(
    version: str,
    *,
    registration_id: int,
    identity: bytes,
    signed_prekey: tuple[int, bytes, bytes],
) -> bytes:
    """The payload that asks for a pairing.

    `version` is dotted; `signed_prekey` is id, public key and signature; keys are 32 bytes.
    """
    number, public, signature = signed_prekey
    payload = _common(version)
    payload.passive = False
    payload.pull = False
    data = payload.devicePairingData
    # The protocol wants this digest of the version; nothing rests on its strength.
    data.buildHash = hashlib.md5(version.encode(), usedforsecurity=False).digest()
    data.deviceProps = _device_properties()
    data.eRegid = registration_id.to_bytes(4, "big")
    data.eKeytype = KEY_TYPE
    data.eIdent = identity
    data.eSkeyId = number.to_bytes(3, "big")
    data.eSkeyVal = public
    data.eSkeySig = signature
    serialized: bytes = payload.SerializeToString()
    return serialized


def login(version: str, device: Address, logins: int = 0) -> bytes:
    """The payload with which a paired device logs in, after so many logins.

    Passive: the server holds back until the device says that it is active, so that its prekeys
    are there before traffic is.
    """
    payload = _common(version)
    payload.passive = True
    payload.pull = True
    payload.username = int(device.user)
    payload.device = device.device
    # Counted as by WhatsApp Web: some accounts get nothing at all without it (whatsapp-rust #630).
    payload.lc = min(logins + 1, MOST_LOGINS)
    payload.lidDbMigrated = True
    serialized: bytes = payload.SerializeToString()
    return serialized


def _common(version: str) -> Any:
    kind = proto.ClientPayload
    payload = kind(
        connectType=kind.ConnectType.WIFI_UNKNOWN,
        connectReason=kind.ConnectReason.USER_ACTIVATED,
    )
    agent = payload.userAgent
    agent.platform = kind.UserAgent.Platform.WEB
    agent.releaseChannel = kind.UserAgent.ReleaseChannel.RELEASE
    numbers = version.split(".")
    agent.appVersion.primary = int(numbers[0])
    agent.appVersion.secondary = int(numbers[1])
    agent.appVersion.tertiary = int(numbers[2])
    agent.osVersion = "0.1"
    agent.osBuildNumber = "0.1"
    agent.manufacturer = ""
    agent.device = "Desktop"
    agent.mcc = "000"
    agent.mnc = "000"
    agent.localeLanguageIso6391 = "en"
    agent.localeCountryIso31661Alpha2 = "US"
    payload.webInfo.webSubPlatform = kind.WebInfo.WebSubPlatform.WEB_BROWSER
    return payload


def _device_properties() -> bytes:
    kind = proto.DeviceProps
    properties = kind(
        os=LINKED_DEVICE_NAME, platformType=kind.PlatformType.CHROME, requireFullSync=False
    )
    properties.version.primary = 0
    properties.version.secondary = 1
    properties.version.tertiary = 0
    # History that the phone may tell (whatsmeow, clientpayload.go).
    history = properties.historySyncConfig
    history.storageQuotaMb = 10_240
    history.thumbnailSyncDaysLimit = 60
    history.inlineInitialPayloadInE2EeMsg = True
    history.supportCallLogHistory = True
    history.supportBotUserAgentChatHistory = True
    history.supportCagReactionsAndPolls = True
    history.supportBizHostedMsg = True
    history.supportRecentSyncChunkMessageCountTuning = True
    history.supportHostedGroupMsg = True
    history.supportFbidBotChatHistory = True
    history.supportMessageAssociation = True
    history.supportGroupHistory = True
    serialized: bytes = properties.SerializeToString()
    return serialized
