"""The project's simulator as a process, and its control API."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx

from tests.plain_http import NO_AUTHORITIES
from tests.processes import forked
from tests.run import answers

ROOT = Path(__file__).parents[3]


class SimulatorProcess:
    """A WhatsApp server on loopback; ended by its pid."""

    def __init__(self, process: forked.Popen, ready: dict[str, str]) -> None:
        self.process = process
        self.ws_url = ready["ws_url"]
        self.root_key = ready["root_key"]
        self.control_url = ready["control_url"]
        self.control = httpx.AsyncClient(
            base_url=self.control_url, timeout=30, verify=NO_AUTHORITIES
        )
        answers.CHECK.watch(self.control_url)
        self.media_authority = httpx.get(ready["control_url"], verify=NO_AUTHORITIES).json()[
            "media_authority"
        ]

    @classmethod
    def start(cls, data: Path) -> Self:
        log = (data.parent / f"{data.name}.log").open("a")
        with log:
            process = forked.Popen(
                [
                    sys.executable,
                    "-m",
                    "simulator",
                    "--port",
                    "0",
                    "--control-port",
                    "0",
                    "--data",
                    data,
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        return cls(process, json.loads(process.stdout.readline()))

    async def stop(self) -> None:
        await asyncio.to_thread(answers.CHECK.end, self.control_url)
        await self.control.aclose()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    async def _call(self, method: str, path: str, **body: Any) -> Any:
        response = await self.control.request(method, path, json=body or None)
        response.raise_for_status()
        return response.json() if response.content else None
