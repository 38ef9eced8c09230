"""The only door to Ray's jobs for a program: submitted, looked at and listed."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.job_submission import JobSubmissionClient

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as Ray has it; `status` is Ray's word, times are Unix seconds."""

    id: str
    status: str
    job: str
    started_at: float | None
    ended_at: float | None


class Client:
    """The jobs of one cluster. Raises `ConnectionError` if its dashboard does not answer."""

    def __init__(self, address: str) -> None:
        self._client = JobSubmissionClient(address)

    def submit(self, entry: Sequence[str]) -> str:
        """The id of a job that runs these words."""
        return str(self._client.submit_job(entrypoint=shlex.join(entry)))

    def status(self, identity: str) -> tuple[str, bool]:
        """Ray's word for how it is, and whether that is its end."""
        status = self._client.get_job_status(identity)
        return str(status.value), bool(status.is_terminal())

    def told(self, identity: str) -> list[dict[str, Any]]:
        """The job's own lines, the last of them its result."""
        lines = self._client.get_job_logs(identity).splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"job"')]

    def list(self) -> list[Seen]:
        """Those that there are and were, the newest first."""
        seen = [
            Seen(
                one.submission_id,
                one.status.value,
                name(one.entrypoint),
                None if one.start_time is None else one.start_time / 1000,
                None if one.end_time is None else one.end_time / 1000,
            )
            for one in self._client.list_jobs()
            if one.submission_id is not None
        ]
        return sorted(seen, key=lambda one: one.started_at or 0, reverse=True)


def name(entry: str) -> str:
    """Of which of our jobs this is the command; the command itself where it is none."""
    words = shlex.split(entry)
    if "supervision.jobs" in words[:-1]:
        return words[words.index("supervision.jobs") + 1]
    return entry
