"""Declares the settings of WhatsApp's servers, announced version, proxy and ack timeout."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from actors.config.sections.section import Section
from actors.config.value_types import Milliseconds  # noqa: TC001 - pydantic reads it
from actors.runtime.text_pattern import TextPattern

WHATSAPP_ROOT_KEY: Final = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
"""The public key, in hex, under which WhatsApp certifies its own servers (whatsmeow, handshake.go)."""


class WhatsAppSettings(Section):
    """WhatsApp's servers, and the version that connections announce to them."""

    title = "WhatsApp"
    intro = "`--simulate` sets the server, its key and its media authority for the simulator that it starts."

    whatsapp_url: str = Field(
        "wss://web.whatsapp.com/ws/chat", validation_alias="WHATSAPP_URL", description="the server"
    )
    whatsapp_root_key: Annotated[
        str, TextPattern(r"^[0-9a-f]{64}$", "a key has 64 digits, 0 to 9 and a to f")
    ] = Field(
        WHATSAPP_ROOT_KEY,
        validation_alias="WHATSAPP_ROOT_KEY",
        description="the public key, in hex, that the server's certificate is checked by",
    )
    whatsapp_media_authority: Path | None = Field(
        None,
        validation_alias="WHATSAPP_MEDIA_AUTHORITY",
        description=(
            "a PEM file of the authority that the media servers' certificates are checked by, instead of the "
            "public ones"
        ),
    )
    whatsapp_version: (
        Annotated[
            str,
            TextPattern(
                r"^[0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10}$",
                "a version has three numbers with dots between, as in 2.3000.1027",
            ),
        ]
        | None
    ) = Field(
        None,
        validation_alias="WHATSAPP_VERSION",
        description=(
            "the version of WhatsApp Web that is announced, for good; the next login takes a change up. Empty: "
            "the one that the server's own page names (`/sw.js`, then `/`, at the host of `WHATSAPP_URL`), read "
            "before a login when it was last read a day ago, and once more when WhatsApp refuses it"
        ),
    )
    whatsapp_proxy: SecretStr | None = Field(
        None,
        validation_alias="WHATSAPP_PROXY",
        description=(
            "the proxy through which connections without one of their own reach WhatsApp and its media servers: "
            "`http://USER:PASSWORD@HOST:PORT` (CONNECT) or `socks5://USER:PASSWORD@HOST:PORT`; see "
            "[proxies](operations.md#proxies)"
        ),
    )
    connection_proxy_private: bool = Field(
        False,
        validation_alias="CONNECTION_PROXY_PRIVATE",
        description=(
            "whether a connection's own proxy may have a private address; with it, its admin learns which hosts and "
            "ports this host reaches"
        ),
    )
    whatsapp_ack_timeout: Milliseconds = Field(
        20_000,
        validation_alias="WHATSAPP_ACK_TIMEOUT",
        description="how long an attempt to send waits for the server's ack",
    )
    whatsapp_trace: bool = Field(
        False,
        validation_alias="WHATSAPP_TRACE",
        description=(
            "`on`: the shape of all connections' traffic is recorded in `logs/trace`, without texts, names, "
            "numbers, keys and tokens; see [traces](trace.md)"
        ),
    )

    engine_updates: Literal["off", "canary"] = Field(
        "off",
        validation_alias="ENGINE_UPDATES",
        description=(
            "`canary`: once a day `teimoso engine try` runs by itself where there is a newer commit of whatsmeow; see "
            "[newer ones](engines.md#newer-ones)"
        ),
    )

    @field_validator("whatsapp_url")
    @classmethod
    def _websocket(cls, value: str) -> str:
        if not value.startswith(("ws://", "wss://")):
            raise ValueError("must begin with ws:// or wss://")
        try:
            parts = urlsplit(value)
            whole = parts.port != 0 and parts.hostname is not None
        except ValueError:
            whole = False
        # The standard library drops line ends while it parses; the socket library does not.
        if not whole or re.search(r"[\x00-\x20\x7f]", value):
            raise ValueError("must name a host, as in wss://HOST:PORT/PATH")
        return value

    @field_validator("whatsapp_version", mode="before")
    @classmethod
    def _version_or_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("whatsapp_version")
    @classmethod
    def _announceable(cls, value: str | None) -> str | None:
        if value is not None and any(int(number) >= 2**32 for number in value.split(".")):
            raise ValueError("WhatsApp has 32 bits for each of its numbers")
        return value

    @property
    def links_real_accounts(self) -> bool:
        """Whether a phone that scans links an account at WhatsApp itself.

        The root key decides, not the address: a login succeeds at those servers alone that it
        certifies, whatever they are reached through. ``--simulate`` sets the simulator's.
        """
        return self.whatsapp_root_key == WHATSAPP_ROOT_KEY
