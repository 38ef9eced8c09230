"""Runs the simulator until SIGTERM: `python -m simulator --port P --control-port C --media-port M --data DIR`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import structlog
import uvloop

from simulator.listeners import run
from simulator.server.delivery.answer_deadlines import ANSWER_DEADLINE_SECONDS


def _port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError(value)
    return number


def main() -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code of the process."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("--port", type=_port, default=18080, help="WebSocket port, 0 = any")
    parser.add_argument("--control-port", type=_port, default=18081, help="HTTP port, 0 = any")
    parser.add_argument(
        "--media-port", type=_port, default=0, help="HTTPS port of the media servers, 0 = any"
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the state")
    parser.add_argument(
        "--answer-seconds",
        type=float,
        default=ANSWER_DEADLINE_SECONDS,
        help="deadline for the answer to a stanza",
    )
    options = parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    try:
        ports = (options.port, options.control_port, options.media_port)
        uvloop.run(run(*ports, options.data, answer_seconds=options.answer_seconds))
    except OSError as error:
        print(f"simulator: {error}", file=sys.stderr)  # noqa: T201 - the reason, for a person
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
