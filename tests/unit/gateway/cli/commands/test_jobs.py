"""Arguments that `teimoso jobs run` hands to the job, its words for a person, and an instance without jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.commands import jobs
from gateway.cli.commands.jobs import placed, sentence
from supervision.keeper.manifest import Plan
from supervision.keeper.parts.ports import PORT_NAMES


def test_a_place_is_where_the_command_is_given() -> None:
    here = Path.cwd()
    assert placed(["shop", "--to", "a.jsonl"]) == ["shop", "--to", str(here / "a.jsonl")]
    assert placed(["--to=/srv/a", "--keep", "3"]) == ["--to=/srv/a", "--keep", "3"]
    assert placed(["--to=a"]) == [f"--to={here / 'a'}"]
    assert placed([]) == []


@pytest.mark.parametrize(
    ("report", "printed"),
    [
        ({"job": "x", "looked": 5, "removed": 3}, "looked 5, removed 3"),
        ({"job": "x", "dry_run": False, "result": {"removed": 0}}, "done: removed 0"),
        ({"job": "x", "dry_run": True, "result": {"removed": 2}}, "would be done: removed 2"),
        (
            {"job": "x", "dry_run": False, "result": {"asked": ["shop", "bar"]}},
            "done: asked shop, bar",
        ),
        ({"job": "x", "dry_run": False, "result": {"asked": []}}, "done: asked none"),
        ({"job": "x", "code": "too_few_days", "error": "--days must be 30."}, "--days must be 30."),
        ({"job": "x", "file": "a\x1bb"}, "file a\\x1bb"),
    ],
)
def test_a_report_is_a_line_for_a_person(report: dict[str, Any], printed: str) -> None:
    assert sentence(report) == printed


def test_without_an_instance_jobs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Plan(8090, ports=dict.fromkeys(PORT_NAMES, 1)).save(tmp_path)
    with pytest.raises(typer.Exit):
        jobs.list_(data=tmp_path)
    assert "Ray's dashboard does not answer at http://127.0.0.1:1" in capsys.readouterr().err
