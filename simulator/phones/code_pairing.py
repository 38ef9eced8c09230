"""Pairs a client by a code that the owner types on the simulated phone; the simulated server relays wrapped keys.

Stages and shapes as in whatsmeow `pair-code.go` and WhatsApp Web's `WASmaxMd…RPC` modules. The code
never passes the server: it knows a ref, and hands keys to and fro that the code wraps.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.phones import link_keys
from simulator.phones.link_keys import BUNDLE, WRAPPED, WrongCodeError
from simulator.phones.pairing import ScanError
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import PN_SERVER, SERVER, Node, bytes_of, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.faults import Faults
    from simulator.phones.pairing import Pairing
    from simulator.server.companions import Companion
    from simulator.wire.connection import Connection

log = structlog.get_logger()

LINK_CODE_TAG: Final = "link_code_companion_reg"
_REF: Final = "link_code_pairing_ref"
# WhatsApp Web does not continue with an older code.
CODE_SECONDS: Final = 180.0
FINISH_SECONDS: Final = 20.0
# Refusals of WhatsApp Web; it ignores one whose text does not match its code.
REFUSALS: Final = {
    400: "bad-request",
    403: "forbidden",
    429: "rate-overlimit",
    452: "feature-not-available",
    500: "internal-server-error",
}
_TYPED: Final = re.compile(r"[0-9A-Z]{8}")
# 0, which is no browser, is refused.
_PLATFORM: Final = re.compile(rb"[1-9a-f]")
_DISPLAY: Final = re.compile(
    rb"[a-z ]+ \((linux|ubuntu|debian|fedora|windows|mac ?os|chrome ?os|android|ios)\)",
    re.IGNORECASE,
)
# The location of a client by its address; these are on loopback.
_COUNTRY: Final = "US"


@dataclass(eq=False)
class _Hello:
    """A client that shows a code for this number, and its ephemeral key under that code.

    `expires_at` is of the loop's clock. `finish` is awaited while the phone waits for the client's
    identity and bundle.
    """

    number: str
    connection: Connection
    ref: bytes
    wrapped: bytes
    expires_at: float
    finish: asyncio.Future[tuple[bytes, bytes]] | None = None


class CodePairing:
    """The clients that show a code now: the newest of each number, and the newest code of each client."""

    def __init__(
        self,
        *,
        people: People,
        endpoints: SignalEndpoints,
        faults: Faults,
        pairing: Pairing,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._faults = faults
        self._pairing = pairing
        self._hellos: dict[str, _Hello] = {}

    def answer(self, connection: Connection, query: Any) -> None:
        """Answers a registering client within the caller's transaction."""
        attrs = {"from": SERVER, "id": query.attrs.get("id", "")}
        try:
            content = self._content(connection, query.get_child(LINK_CODE_TAG))
        except QueryError as error:
            log.info("link_code_refused", action="link_code_refused", code=error.code)
            refusal = Node("error", {"code": error.code, "text": error.text})
            connection.send(Node("iq", {**attrs, "type": "error"}, [refusal]))
            return
        connection.send(Node("iq", {**attrs, "type": "result"}, content or None))

    def left(self, connection: Connection) -> None:
        """Drops the code of a client whose socket closed."""
        for hello in self._of(connection):
            self._end(hello, "pairing_interrupted", "the client closed its connection")

    async def enter(self, number: str, typed: str) -> Companion:
        """Enters a code on the phone of `number`, which links the device that shows it.

        Returns once the signature of the device is verified and stored. Raises ScanError. A try uses
        the code up, right or wrong.
        """
        code = typed.replace("-", "").replace(" ", "").upper()
        if not _TYPED.fullmatch(code):
            raise ScanError(400, "bad_link_code", "a code is 8 letters and digits")
        hello = self._shown(number)
        phone = self._endpoints.phone(number).identity
        hello.finish = asyncio.get_running_loop().create_future()
        try:
            primary = await asyncio.to_thread(link_keys.primary_hello, code, hello.wrapped)
            wrapped = Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, primary.wrapped)
            self._notify(
                hello, "primary_hello", wrapped, Node("primary_identity_pub", {}, phone.public)
            )
            async with asyncio.timeout(FINISH_SECONDS):
                companion, bundle = await hello.finish
            secret = link_keys.adv_secret(primary.shared, phone, companion, bundle)
        except WrongCodeError:
            self._notify(hello, "refresh_code")
            raise ScanError(409, "wrong_link_code", "the client shows another code") from None
        except TimeoutError as error:
            raise ScanError(
                409, "pairing_timeout", "the client did not answer the phone in time"
            ) from error
        finally:
            hello.finish.cancel()
            if self._hellos.get(number) is hello:
                del self._hellos[number]
        return await self._pairing.link(number, hello.connection, secret)

    def _shown(self, number: str) -> _Hello:
        hello = self._hellos.get(number)
        if hello is None or hello.connection.retired:
            raise ScanError(409, "no_link_code", "no client shows a code for this number")
        if hello.finish is not None:
            raise ScanError(409, "pairing_in_progress", "another code is being tried")
        if self._expired(hello):
            raise ScanError(409, "link_code_expired", "the code has expired")
        return hello

    def _content(self, connection: Connection, stage_node: Any) -> list[Any]:
        try:
            match text_of(stage_node, "stage"):
                case "companion_hello":
                    return [self._begin(connection, stage_node)]
                case "companion_finish":
                    self._finish(connection, stage_node)
                    return []
                case "get_country_code":
                    return [Node("country_code", {"iso": _COUNTRY})]
        except ValueError:  # something is missing
            pass
        raise _refusal(400)

    def _begin(self, connection: Connection, stage_node: Any) -> Any:
        """Registers a client that shows a code.

        A number without WhatsApp is refused like a malformed one: WhatsApp Web has no refusal for it.
        """
        jid, faults = jid_of(stage_node, "jid"), self._faults
        person = self._people.at(jid) if jid is not None and jid.server == PN_SERVER else None
        if person is None or not person.registered:
            raise _refusal(400)
        refused = faults.strike(person.number, "refuse_link_code")
        if refused is not None:
            raise _refusal(refused.code)
        wrapped = bytes_of(stage_node, "link_code_pairing_wrapped_companion_ephemeral_pub")
        if (
            len(wrapped) != WRAPPED
            or bytes_of(stage_node, "companion_server_auth_key_pub") != connection.client_static
            or not _PLATFORM.fullmatch(_written(stage_node, "companion_platform_id"))
            or not _DISPLAY.fullmatch(_written(stage_node, "companion_platform_display"))
        ):
            raise _refusal(400)
        for other in self._of(connection):
            self._end(other, "link_code_replaced", "the client shows a newer code")
        if person.number in self._hellos:
            self._end(
                self._hellos[person.number],
                "link_code_replaced",
                "another client shows a newer code",
            )
        expired = faults.strike(person.number, "expire_link_code")
        lasts = CODE_SECONDS if expired is None else expired.seconds or 0.0
        ref = base64.b64encode(secrets.token_bytes(32))
        self._hellos[person.number] = _Hello(
            person.number, connection, ref, wrapped, asyncio.get_running_loop().time() + lasts
        )
        return Node(LINK_CODE_TAG, {"stage": "companion_hello"}, [Node(_REF, {}, ref)])

    def _finish(self, connection: Connection, stage_node: Any) -> None:
        """Passes the client's keys on to the waiting phone."""
        ref, identity = (
            bytes_of(stage_node, _REF),
            bytes_of(stage_node, "companion_identity_public"),
        )
        bundle = bytes_of(stage_node, "link_code_pairing_wrapped_key_bundle")
        hello = next((one for one in self._of(connection) if one.ref == ref), None)
        if hello is None or hello.finish is None or hello.finish.done():
            raise _refusal(400)
        refused = self._faults.strike(hello.number, "refuse_link_finish")
        if refused is not None:
            self._end(hello, "link_code_refused", "the server refused the client's keys")
            raise _refusal(refused.code)
        if self._expired(hello):
            self._end(hello, "link_code_expired", "the code has expired")
            raise _refusal(400)
        if len(bundle) != BUNDLE or identity != connection.registration.e_ident:
            self._end(hello, "link_code_refused", "the client's keys are malformed")
            raise _refusal(400)
        hello.finish.set_result((identity, bundle))

    def _notify(self, hello: _Hello, stage: str, *content: Any) -> None:
        """Notifies the client of a step of the phone.

        After a code that the phone could not use the notification has no keys, as in whatsmeow's
        issue 884. WhatsApp Web shows another code then.
        """
        stanza = Node(LINK_CODE_TAG, {"stage": stage}, [Node(_REF, {}, hello.ref), *content])
        attrs = {
            "from": SERVER,
            "type": LINK_CODE_TAG,
            "id": secrets.token_hex(8),
            "t": int(time.time()),
        }
        hello.connection.push(Node("notification", attrs, [stanza]))

    def _of(self, connection: Connection) -> list[_Hello]:
        return [hello for hello in self._hellos.values() if hello.connection is connection]

    def _end(self, hello: _Hello, code: str, detail: str) -> None:
        del self._hellos[hello.number]
        if hello.finish is not None and not hello.finish.done():
            hello.finish.set_exception(ScanError(409, code, detail))

    @staticmethod
    def _expired(hello: _Hello) -> bool:
        return asyncio.get_running_loop().time() >= hello.expires_at


def _refusal(code: int | None) -> QueryError:
    return QueryError(code or 500, REFUSALS.get(code or 500, "refused"))


def _written(stage_node: Any, tag: str) -> bytes:
    """Returns the content of a descendant, which clients write as text or as bytes."""
    child = stage_node.get_child(tag)
    content = b"" if child is None else child.content
    return content if isinstance(content, bytes) else str(content).encode()
