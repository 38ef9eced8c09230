"""A real Prometheus, of Debian's package, that scrapes what a test tells it to."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from tests.plain_http import NO_AUTHORITIES
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "Debian's package prometheus is not installed here (make debian, as root)"


def needed(program: str) -> str:
    """Where the program is; skips the test, and says why, where it is not."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(PACKAGE)
    return found


class Prometheus:
    """Scrapes `target` each second, and judges `rules`."""

    def __init__(self, directory: Path, target: str, key: str, rules: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._program = needed("prometheus")
        directory.mkdir(parents=True)
        (directory / "key").write_text(key)
        (directory / "prometheus.yml").write_text(
            # YAML is a superset of it
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules)],
                    "scrape_configs": [
                        {
                            "job_name": "teimoso",
                            "authorization": {"credentials_file": str(directory / "key")},
                            "static_configs": [{"targets": [target]}],
                        }
                    ],
                }
            )
        )
        self._api = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}/api/v1", timeout=10, verify=NO_AUTHORITIES
        )

    def __enter__(self) -> Self:
        with (self._directory / "log").open("w") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            ready = f"http://127.0.0.1:{self._port}/-/ready"
            until(
                "Prometheus is ready",
                lambda: httpx.get(ready, verify=NO_AUTHORITIES).is_success,
                20,
            )
            until("Prometheus scrapes", lambda: self.points('up{job="teimoso"} == 1'), 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._api.close()

    def points(self, query: str) -> list[dict[str, Any]]:
        """Returns the numbers in the current result of a query. Fails for an invalid query."""
        answer = self._api.get("/query", params={"query": query})
        assert answer.status_code == 200, f"{query}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return [point for point in result if point["value"][1] != "NaN"]

    def rules(self) -> list[dict[str, Any]]:
        groups = self._api.get("/rules").raise_for_status().json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
