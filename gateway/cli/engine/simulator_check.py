"""Runs as a process that tries a built program on a simulator of its own: pair, send, receive, and again at a next login.

`python -m gateway.cli.engine.simulator_check DIRECTORY`; the choice in DIRECTORY names the program. Exit status 1, and
the step that failed on stderr, where it does not.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from actors.config.sources import resolve_settings
from actors.connection import whatsmeow
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineEvents, NotConnected, Qr, SendError, SendRequest
from actors.messages.content import Text
from supervision.keeper.parts import python_module

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.config.settings import Settings
    from actors.connection.disconnects.causes import Cause
    from actors.connection.engine import Engine

TRIAL_ACCOUNT, TRIAL_CONTACT = "15550100001", "15550100002"
TRIAL_STEP_SECONDS = 30.0
TRIAL_POLL_SECONDS = 0.1


class Trial:
    """One account on one simulator. `step` is what is tried now, for a person."""

    def __init__(self, control: httpx.AsyncClient, settings: Settings, directory: Path) -> None:
        self._control, self._settings, self._directory = control, settings, directory
        self._opened = asyncio.Event()
        self._engine: Engine
        self._ended: Cause | None = None
        self.step = "start"

    async def run(self) -> None:
        """Log in twice; raises `TimeoutError` in the step that fails."""
        for epoch in (1, 2):
            self._opened.clear()
            events = EngineEvents(on_qr=self._scan, on_open=self._on_open)
            directory = self._settings.sessions / "check"
            directory.mkdir(parents=True, exist_ok=True)
            self._engine = whatsmeow.open_engine(self._settings, "check", epoch, events, directory)
            serving = asyncio.ensure_future(self._serve())
            try:
                await self._round(epoch)
            finally:
                await self._engine.close()
                await serving

    async def _round(self, epoch: int) -> None:
        said, answer = f"sent {epoch}", f"answer {epoch}"
        self.step = "pair" if epoch == 1 else "log in"
        async with asyncio.timeout(TRIAL_STEP_SECONDS):
            await self._opened.wait()
        self.step = "send"
        request = SendRequest(f"3EB0{epoch:018X}", f"{TRIAL_CONTACT}@s.whatsapp.net", Text(said))
        async with asyncio.timeout(TRIAL_STEP_SECONDS):
            await self._engine.send(request)
        await _until(lambda: self._arrived(said))
        self.step = "receive"
        await self._post(f"/contacts/{TRIAL_CONTACT}/say", to=TRIAL_ACCOUNT, text=answer)
        await _until(lambda: self._received(answer))

    async def _serve(self) -> None:
        while (await self._engine.run()).kind is Kind.RESTART_REQUIRED:
            pass

    async def _scan(self, qr: Qr) -> None:
        await self._post("/phones", number=TRIAL_ACCOUNT)
        await self._post(f"/phones/{TRIAL_ACCOUNT}/scan", qr=qr.text)

    async def _on_open(self) -> None:
        self._opened.set()

    async def _arrived(self, text: str) -> bool:
        inbox = await self._control.get(f"/contacts/{TRIAL_CONTACT}/inbox")
        return any(item["text"] == text for item in inbox.raise_for_status().json()["items"])

    async def _received(self, text: str) -> bool:
        pending = await self._engine.pending("message", 100)
        return any(getattr(one, "text", None) == text for one in pending)

    async def _post(self, path: str, **fields: Any) -> None:
        (await self._control.post(path, json=fields)).raise_for_status()


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TRIAL_STEP_SECONDS):
        while not await condition():  # noqa: ASYNC110 - the simulator is asked
            await asyncio.sleep(TRIAL_POLL_SECONDS)


async def _check(data: Path) -> str | None:
    """The step that failed; None where all went well."""
    words = python_module.module("simulator", "--port", "0", "--control-port", "0")
    place = str(data / "simulator")
    simulator = await asyncio.create_subprocess_exec(
        *words.arguments, "--data", place, stdout=asyncio.subprocess.PIPE
    )
    assert simulator.stdout is not None
    try:
        ready = json.loads(await simulator.stdout.readline() or "{}")
        if not ready:
            return "start the simulator"
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with httpx.AsyncClient(
            base_url=ready["control_url"], trust_env=False, verify=plain
        ) as control:
            authority = (await control.get("/")).raise_for_status().json()["media_authority"]
            settings = resolve_settings(
                data=data,
                whatsapp_url=ready["ws_url"],
                whatsapp_root_key=ready["root_key"],
                whatsapp_media_authority=authority,
            )
            trial = Trial(control, settings, data)
            try:
                await trial.run()
            except (TimeoutError, SendError, NotConnected, httpx.HTTPError) as error:
                return f"{trial.step} ({type(error).__name__})"
    finally:
        simulator.terminate()
        await simulator.wait()
    return None


def main() -> int:
    """Try the program. Returns the exit status."""
    failed = asyncio.run(_check(Path(sys.argv[1])))
    if failed is not None:
        sys.stderr.write(f"on the simulator the program does not {failed}.\n")
    return 0 if failed is None else 1


if __name__ == "__main__":
    sys.exit(main())
