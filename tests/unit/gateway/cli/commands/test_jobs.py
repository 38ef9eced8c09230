"""Arguments that `teimoso jobs run` hands to the job."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.commands.jobs import placed


def test_a_place_is_where_the_command_is_given() -> None:
    here = Path.cwd()
    assert placed(["shop", "--to", "a.jsonl"]) == ["shop", "--to", str(here / "a.jsonl")]
    assert placed(["--to=/srv/a", "--keep", "3"]) == ["--to=/srv/a", "--keep", "3"]
    assert placed(["--to=a"]) == [f"--to={here / 'a'}"]
    assert placed([]) == []
