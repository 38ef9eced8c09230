"""A gateway as a process of its own, and a client that holds it to its OpenAPI document."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
from jsonschema import Draft202012Validator

from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from gateway.http.api_keys import ensure_first
from tests import waits
from tests.api_document import DOCUMENT
from tests.plain_http import NO_AUTHORITIES
from tests.processes import forked
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.config.settings import Settings
    from tests.processes.valkey import Valkey

KEY = "tmo_" + "k" * 43
SHOP, OTHER = "shop--T00000000000", "other--T00000000000"
"""The ids of the connections ``shop`` and ``other`` of each gateway (`Gateway.connect`)."""
NO_ROOT_KEY = "00" * 32
"""Of no server: connections here are never served, and are not WhatsApp's, as under ``--simulate``."""
ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 60.0


class Contract:
    """Judges answers by the OpenAPI document: status, media type, shape."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._described = described
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z"), methods)
            for path, methods in sorted(
                described["paths"].items(), key=lambda item: item[0].count("{")
            )
        ]
        self.checked = 0

    def check(self, answer: httpx.Response) -> None:
        answer.read()
        request = answer.request
        operation = self._operation(request.url.path, request.method.lower())
        if operation is None:
            assert answer.status_code in {404, 405}, answer.text
            return
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, (
            f"{operation['operationId']} does not promise {answer.status_code}: {answer.text[:300]}"
        )
        content = described.get("content", {})
        if not content:
            assert not answer.content
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        if "*/*" in content and answer.is_success:
            self.checked += 1
            return
        assert media_type in content, media_type
        schema = content[media_type].get("schema")
        if schema is not None and request.method != "HEAD":
            self._validate(schema, answer.json())
        self.checked += 1

    @staticmethod
    def matches(template: str, path: str) -> bool:
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None

    def _operation(self, path: str, method: str) -> dict[str, Any] | None:
        method = "get" if method == "head" else method
        for pattern, methods in self._paths:
            if pattern.match(path) and method in methods:
                found: dict[str, Any] = methods[method]
                return found
        return None

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        resolved = {**schema, "components": self._described["components"]}
        Draft202012Validator(resolved, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
            value
        )


CONTRACT = Contract(DOCUMENT)


class Api(httpx.Client):
    """A caller with a key, or without; every answer that it gets is checked."""

    def __init__(
        self, port: int, key: str | None, timeout: float = 30, address: str | None = None
    ) -> None:
        """`address` is the caller's own."""
        super().__init__(
            transport=httpx.HTTPTransport(verify=NO_AUTHORITIES, local_address=address),
            base_url=f"http://127.0.0.1:{port}",
            headers={} if key is None else {"X-Api-Key": key},
            timeout=timeout,
            verify=NO_AUTHORITIES,
            event_hooks={"response": [CONTRACT.check]},
        )


class Gateway:
    """`python -m gateway` on a port of its own; logs in ``gateway.log`` of its directory."""

    program = "gateway"
    """The module that is run."""

    def __init__(self, data: Path, valkey: Valkey, **flags: object) -> None:
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        flags = {"whatsapp_root_key": NO_ROOT_KEY, **flags}
        self.settings: Settings = valkey.settings(port=self.port, **flags).model_copy(
            update={"data": data}
        )
        self.settings.save()
        self.process: forked.Popen | None = None
        self.api = self.client(KEY)

    def client(self, key: str | None, timeout: float = 30, address: str | None = None) -> Api:
        return Api(self.port, key, timeout, address)

    def start(self) -> None:
        asyncio.run(self._first_key())
        with (self.data / "gateway.log").open("ab") as log:
            self.process = forked.Popen(
                [sys.executable, "-m", self.program, "--data", str(self.data)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.until(lambda: self.api.get("/health/live").status_code == 200, START_SECONDS)

    async def _first_key(self) -> None:
        documents = open_documents(self.settings)
        try:
            await ensure_first(documents, KEY)
        finally:
            await documents.close()

    def connect(self, connection: str = SHOP) -> None:
        """Have a connection with this id; called where an event loop runs as well."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._connect(connection)).result()
        self.api.get(f"/api/connections/{connection}").raise_for_status()  # and it knows of it

    async def _connect(self, connection: str) -> None:
        documents = open_documents(self.settings)
        try:
            await Connections(documents).create(name_of(connection), id=connection)
        finally:
            await documents.close()

    def until(self, look: Callable[[], object], seconds: float) -> None:
        def alive() -> bool:
            assert self.process is None or self.process.poll() is None, self.log()[-3000:]
            return bool(look())

        try:
            waits.until("the gateway comes to it", alive, seconds)
        except AssertionError as error:
            error.add_note(self.log()[-2000:])
            raise

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            os.kill(process.pid, number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log(self) -> str:
        file = self.data / "gateway.log"
        return file.read_text() if file.exists() else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.kill()
