"""Runs the servers of the simulator in one process: WebSocket, media servers, control API.

Clients use the WebSocket, the page on the same port, and the media servers; tests use the control API.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn
from websockets.asyncio.server import serve

from simulator.control.api import application
from simulator.media.certificate import certified
from simulator.media.routes import media_application
from simulator.server.delivery.answer_deadlines import ANSWER_DEADLINE_SECONDS
from simulator.server_state import ServerState

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()

HOST: Final = "127.0.0.1"
_MAX_MESSAGE: Final = 1 << 23
# The longest silence of the page.
_OPEN_SECONDS: Final = 120


class _HttpServer(uvicorn.Server):
    """A server without signal handlers of its own: `run` closes the listeners in order; `opened` is set once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.opened.set()

    def install_signal_handlers(self) -> None:
        pass


def _bound(port: int) -> socket.socket:
    # Without the protocol named, asyncio leaves Nagle on and each small answer waits for it.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


def _again(port: int, world: ServerState) -> socket.socket:
    """Opens the media servers' listener, without a given port on the previous one if that is free."""
    before = int(world.store.secret("media_port", lambda: b"0"))
    try:
        bound = _bound(port or before)
    except OSError:
        if port or not before:
            raise
        bound = _bound(0)
    world.store.replace_secret("media_port", str(bound.getsockname()[1]).encode())
    return bound


async def run(
    port: int,
    control_port: int,
    media_port: int,
    data: Path,
    *,
    answer_seconds: float = ANSWER_DEADLINE_SECONDS,
) -> None:
    """Serves until SIGTERM or SIGINT. Prints one JSON line on stdout once all listeners are open.

    Port 0 lets the system choose; the media servers prefer their previous port, which clients have
    stored. A client has `answer_seconds` to answer a stanza. Raises OSError when a port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ws_socket, control_socket = _bound(port), _bound(control_port)
    ws_url = f"ws://{HOST}:{ws_socket.getsockname()[1]}/ws/chat"
    control_url = f"http://{HOST}:{control_socket.getsockname()[1]}"
    world = ServerState(data, answer_seconds=answer_seconds)
    media_socket = _again(media_port, world)
    world.media.host = f"{HOST}:{media_socket.getsockname()[1]}"
    authority, certificate = certified(data, HOST)
    world.media.authority = str(authority)
    media = _HttpServer(
        uvicorn.Config(
            media_application(world.store, world.faults, world.media),
            log_config=None,
            access_log=False,
            lifespan="off",
            ssl_certfile=certificate,
            timeout_graceful_shutdown=2,
        )
    )
    control = _HttpServer(
        uvicorn.Config(
            application(world, lambda: ws_url),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    try:
        async with serve(
            world.serve,
            process_request=world.web_page.answer,
            open_timeout=_OPEN_SECONDS,
            sock=ws_socket,
            compression=None,
            max_size=_MAX_MESSAGE,
            max_queue=4,
            ping_interval=None,
            close_timeout=2,
        ):
            serving = asyncio.create_task(control.serve(sockets=[control_socket]))
            giving = asyncio.create_task(media.serve(sockets=[media_socket]))
            await asyncio.gather(control.opened.wait(), media.opened.wait())
            ready = {
                "ws_url": ws_url,
                "control_url": control_url,
                "media_host": world.media.host,
                "root_key": world.static_key.root_key.hex(),
            }
            print(json.dumps(ready), flush=True)  # noqa: T201 - the parent process waits for this line
            log.info("ready", action="ready")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({stopping, serving, giving}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            world.web_page.close()
            control.should_exit = media.should_exit = True
            for connection in world.switchboard.everyone():
                connection.retire()
            await asyncio.gather(serving, giving)
    finally:
        world.close()
        log.info("stopped", action="stopped")
        sys.stdout.flush()
