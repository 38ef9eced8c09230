"""Puts a program `teimoso` on a shell's path that is forked, as `forked.py` has it: a command costs no imports.

The program hands its arguments, files, environment and directory to this process, and ends as its fork does.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.processes import forked

NAME = "teimoso"
FAILED = 1
PROGRAM = """#!{interpreter} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    start = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(asked, [len(start).to_bytes(4)], [0, 1, 2])
    asked.sendall(start)
    code = asked.recv(1)
sys.exit(code[0] if code else {failed})
"""


@cache
def directory() -> Path:
    """Returns the directory with the program; it serves until this process ends."""
    place = tempfile.TemporaryDirectory(prefix="tmo-path-")
    atexit.register(place.cleanup)
    address = str(Path(place.name) / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    threading.Thread(target=_serve, args=(listener,), name=NAME, daemon=True).start()
    program = Path(place.name) / NAME
    program.write_text(PROGRAM.format(interpreter=sys.executable, address=address, failed=FAILED))
    program.chmod(0o700)
    return Path(place.name)


def _serve(listener: socket.socket) -> None:
    while True:
        asked, _ = listener.accept()
        threading.Thread(target=_run, args=(asked,), name=NAME, daemon=True).start()


def _run(asked: socket.socket) -> None:
    with asked, suppress(OSError):  # a program that was killed hears no answer
        head, files, _, _ = socket.recv_fds(asked, 4, 3, socket.MSG_WAITALL)
        start = asked.recv(int.from_bytes(head), socket.MSG_WAITALL)
        words, place, environment = json.loads(start)
        command = [sys.executable, "-m", "gateway.cli", *words]
        try:
            process = forked.Popen(
                command,
                cwd=place,
                env=environment,
                stdin=files[0],
                stdout=files[1],
                stderr=files[2],
            )
        finally:
            for file in files:
                os.close(file)
        code = process.wait()
        asked.sendall(bytes([code if code >= 0 else 128 - code]))
