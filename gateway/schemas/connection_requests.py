"""Defines the request models that create a connection or change a connection's settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from actors.connection.proxy import address
from actors.messages.field_types import SendableText  # noqa: TC001 - pydantic reads it
from actors.runtime.connection_ids import CONNECTION_NAME
from actors.runtime.connection_options import ConnectionOptions
from actors.runtime.text_pattern import TextPattern
from gateway.schemas.request_models import Body, WebhookUrl


def _proxy(value: str) -> str:
    try:
        address.parse(value)
    except address.InvalidProxy as error:
        raise PydanticCustomError("invalid_proxy", "{reason}", {"reason": str(error)}) from None
    return value


ProxyUrl = Annotated[
    str,
    AfterValidator(_proxy),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 10,
            "maxLength": address.MAX_PROXY_URL_CHARACTERS,
            "pattern": address.PROXY_PATTERN,
            "not": {"pattern": address.SHOWN_PATTERN},
            "examples": ["socks5://shop:secret@proxy.example.com:1080"],
        }
    ),
]


SHOW_ONLINE = (
    "Show the account as online, and the second tick to people who write to it. Without it that is so"
    " only while a presence of `available` is in force, and its phone goes on being notified."
)


PROXY = (
    "The proxy through which the connection reaches WhatsApp and its media servers, and nothing of it passes"
    " by: a URL of `http` (CONNECT) or `socks5`, with a port, a user and a password where it wants them. Without"
    " it the instance's, `WHATSAPP_PROXY`. Answers show stars for the user and the password."
)
REJECT_CALLS = "Refuse calls to the account; each is an event `call.received` all the same."
REJECT_CALLS_TEXT = (
    "A text that goes once to each person whose call is refused, as any message; to nobody after a"
    " group's call."
)


class NewConnection(Body):
    """A WhatsApp account to hold open. It asks for a QR to be scanned as soon as it runs."""

    id: Annotated[
        str,
        TextPattern(
            f"^{CONNECTION_NAME}$",
            "use 1 to 64 lower-case letters, digits, - and _, a letter or digit first, as in shop-2",
        ),
    ] = Field(description="The name of the connection from now on.", examples=["shop"])
    show_online: bool = Field(False, description=SHOW_ONLINE)
    proxy: ProxyUrl | None = Field(None, description=PROXY)
    reject_calls: bool = Field(False, description=REJECT_CALLS)
    reject_calls_text: SendableText | None = Field(None, description=REJECT_CALLS_TEXT)
    webhook: WebhookUrl | None = Field(
        None, description="An endpoint that gets its events; the answer has the secret."
    )

    @property
    def options(self) -> ConnectionOptions:
        """Its options from the start."""
        return ConnectionOptions.of(dict(self))


class ConnectionSettings(Body):
    """Settings that change from now on, without a new login but for `proxy`; the others stay."""

    show_online: bool | None = Field(None, description=SHOW_ONLINE, examples=[True])
    proxy: ProxyUrl | None = Field(
        None, description=f"{PROXY} null takes its own away.", examples=[None]
    )
    reject_calls: bool | None = Field(None, description=REJECT_CALLS, examples=[False])
    reject_calls_text: SendableText | None = Field(
        None, description=f"{REJECT_CALLS_TEXT} null for none.", examples=[None]
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The options that are named; null is a value for those that may have none."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        may_lack = {"proxy", "reject_calls_text"}
        return {
            name: value for name, value in named.items() if value is not None or name in may_lack
        }
