"""Runs the gateway (API, console, webhooks) under uvicorn until SIGTERM: `python -m gateway --data DIR`.

Exit status 1 with one sentence on stderr when it cannot start. On SIGTERM the socket closes, what
is being answered gets `GATEWAY_SHUTDOWN_SECONDS`, and callers that wait for a message get what is known.
"""

from __future__ import annotations

import argparse
import gc
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvicorn

from actors.config.settings import Settings
from gateway.app import application
from gateway.http.logs import configure
from gateway.http.server import Protocol

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

GATEWAY_SHUTDOWN_SECONDS = 10
BACKLOG = 2048
SWITCH_SECONDS = 0.0005
"""Seconds for which a thread that computes keeps the interpreter from the event loop; Python's own 5 ms add up in a send."""

log = structlog.get_logger()


class Server(uvicorn.Server):
    """Tells those that wait within a request that the process was asked to end."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        backends = getattr(self._app.state, "backends", None)
        if backends is not None:
            backends.closing.set()
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit status: 1, with a sentence on stderr, where it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description="Serve the API.")
    parser.add_argument("--data", type=Path, required=True, help="the instance's directory")
    directory: Path = parser.parse_args().data
    try:
        settings = Settings.load(directory)
    except (OSError, ValueError):
        return _cannot(f"{directory} has no runtime.json that can be read.")
    configure(settings.log_level)
    _raise_open_files()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        listening = _listen(settings.host, settings.port)
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        return _cannot(f"The gateway cannot listen on {settings.host}:{settings.port}: {reason}.")
    app = application(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GATEWAY_SHUTDOWN_SECONDS,
    )
    host, port = listening.getsockname()[:2]
    log.info("listening", action="listening", host=host, port=port)
    server = Server(config, app)

    def end(*_: object) -> None:
        # uvicorn raises again, for the handlers before its own, what it was asked to end by: this
        # end is a good one. Before uvicorn listens to signals it ends the start.
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    # Modules that are loaded stay for good: collections need not search them again.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listening])
    log.info("stopped", action="stopped")
    return 0


def _raise_open_files() -> None:
    """Raise the limit of open files to what the system allows: a request may need three."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError.

    With the protocol named: uvloop sets TCP_NODELAY only on sockets that say that they are TCP,
    and without it every answer waits for the client's delayed acknowledgement.
    """
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.set_inheritable(False)
    except OSError:
        listening.close()
        raise
    return listening


def _cannot(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
