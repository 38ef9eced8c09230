"""Calls the gateway's HTTP API for CLI commands; ends the command with a sentence on an error response."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import quote

import httpx

from actors.config.settings import Settings
from gateway.cli.output import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from httpx import Response

API_TIMEOUT = 75.0  # seconds: longer than any answer that may wait


class Caller:
    """JSON over HTTP; an answer that is no success ends the command with a sentence."""

    def __init__(self, base: str, headers: Mapping[str, str], *, absent: str) -> None:
        """`absent` is the sentence for a person when nobody listens there."""
        self.absent = absent
        self._client = httpx.Client(
            base_url=base,
            headers=dict(headers),
            timeout=API_TIMEOUT,
            trust_env=False,
            # Plain HTTP: to read the host's certificate authorities would take 30 ms of a command.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The answer; parameters that are None are left out."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return self._request("GET", path, params=given or None)

    def post(self, path: str, body: Mapping[str, Any] | None = None, params: Any = None) -> Any:
        """Returns the JSON of the answer; a refusal ends the command, as in the next three."""
        return self._request("POST", path, json=body, params=params)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("PATCH", path, json=body)

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._request("PUT", path, json=body)

    def put_in(self, path: str, content: Iterable[bytes], headers: Mapping[str, str]) -> Any:
        """POST a body that is no JSON, piece by piece."""
        return self._request("POST", path, content=content, headers=headers)

    @contextmanager
    def stream(self, path: str) -> Iterator[Response]:
        """GET what may be large, piece by piece."""
        try:
            with self._client.stream("GET", path, headers={"Accept": "*/*"}) as response:
                if not response.is_success:
                    response.read()
                    refuse(_sentence(response))
                yield response
        except httpx.TransportError:
            refuse(self.absent)

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def switch(self, path: str, on: bool | None) -> Any:
        """The state of something that POST begins and DELETE ends; it stays as it is for None."""
        return self._request({None: "GET", True: "POST", False: "DELETE"}[on], path)

    def _request(self, method: str, path: str, **request: Any) -> Any:
        response = self.raw(method, path, **request)
        if response.is_success:
            return response.json() if response.content else {}
        return refuse(_sentence(response))

    def follow(
        self, path: str, params: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> AbstractContextManager[Response]:
        """The answer as it comes; raises `httpx.TransportError` after so many silent seconds."""
        timeout = httpx.Timeout(API_TIMEOUT, read=silence)
        return self._client.stream("GET", path, params=params, headers=headers, timeout=timeout)

    def raw(self, method: str, path: str, **request: Any) -> Response:
        """The answer as it came, a refusal included."""
        try:
            return self._client.request(method, path, **request)
        except httpx.TransportError:
            refuse(self.absent)


class Api(Caller):
    """The gateway of the instance in `data`."""

    def __init__(self, data: Path, key: str | None) -> None:
        settings = settings_of(data)
        if key is None:
            refuse(
                "This needs an API key: --key or TEIMOSO_API_KEY. "
                "`teimoso keys create NAME` makes one."
            )
        if not (key.isascii() and key.isprintable() and key.strip() == key):
            refuse("The API key is not one: it has printable ASCII characters only.")
        super().__init__(
            f"http://{reachable(settings)}",
            {"X-Api-Key": key, "Accept": "application/json"},
            absent=f"The gateway does not answer on {reachable(settings)}: `teimoso up` starts it.",
        )


def end_with_refusal(response: Response) -> NoReturn:
    """End the command with the sentence of an answer that is no success."""
    refuse(_sentence(response))


def settings_of(data: Path) -> Settings:
    """The settings that the instance runs with."""
    try:
        return Settings.load(data)
    except (OSError, ValueError):
        return refuse(f"There is no instance in {data}: `teimoso up --data {data}` makes one.")


def reachable(settings: Settings) -> str:
    """Host and port at which this machine reaches the gateway."""
    host = settings.reached_at
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _sentence(response: Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    words = problem.get("detail") or problem.get("title") or problem.get("error")
    sentence = str(words or response.reason_phrase)
    return f"{sentence[:1].upper()}{sentence[1:]} ({response.status_code})"
