"""Submits, observes and lists Ray jobs for `teimoso jobs`: the adapter of Ray's job API."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.job_submission import JobSubmissionClient

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as Ray reports it; `status` is Ray's word, times are Unix seconds."""

    id: str
    status: str
    job: str
    started_at: float | None
    ended_at: float | None


class JobClient:
    """The jobs of one cluster. Raises `ConnectionError` if its dashboard does not answer."""

    def __init__(self, address: str) -> None:
        self._client = JobSubmissionClient(address)

    def submit(self, entry: Sequence[str]) -> str:
        """Submits a job that runs this command; returns its id."""
        return str(self._client.submit_job(entrypoint=shlex.join(entry)))

    def status(self, identity: str) -> tuple[str, bool]:
        """Returns Ray's status of a job, and whether it is final."""
        status = self._client.get_job_status(identity)
        return str(status.value), bool(status.is_terminal())

    def report(self, identity: str) -> list[dict[str, Any]]:
        """Returns the lines that a job reported; the last one is its result."""
        lines = self._client.get_job_logs(identity).splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"job"')]

    def last_words(self, identity: str) -> str:
        """Returns the last line that a job wrote beside its reports; empty where there is none."""
        lines = self._client.get_job_logs(identity).splitlines()
        return next(
            (line for line in reversed(lines) if line.strip() and not line.startswith('{"job"')), ""
        )

    def list(self) -> list[JobStatus]:
        """Returns running and finished jobs, the newest first."""
        found = [
            JobStatus(
                one.submission_id,
                one.status.value,
                name(one.entrypoint),
                None if one.start_time is None else one.start_time / 1000,
                None if one.end_time is None else one.end_time / 1000,
            )
            for one in self._client.list_jobs()
            if one.submission_id is not None
        ]
        return sorted(found, key=lambda one: one.started_at or 0, reverse=True)


def name(entry: str) -> str:
    """Returns the name of the job that a command runs; the command itself where it runs no job of ours."""
    words = shlex.split(entry)
    if "supervision.jobs" in words[:-1]:
        return words[words.index("supervision.jobs") + 1]
    return entry
