"""`docs/guide.md`: each thing of the guide is here, and what it is called now exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from actors.state import documents
from gateway.app import OPERATIONS
from gateway.cli import app
from gateway.setting_texts import SETTING_FIELDS
from supervision.jobs import JOB_MODULES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide.md").read_text()


def rows(section: str) -> list[list[str]]:
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert found, section
    return found


def code(cell: str) -> str:
    (found,) = re.findall(r"`([^`]+)`", cell)
    return str(found)


def command(words: list[str]) -> Any:
    """The command of these words; what is left of them are its arguments."""
    found: Any = app.command()
    for word in words:
        found = found.commands.get(word) if hasattr(found, "commands") else found
        assert found is not None, words
    assert not hasattr(found, "commands"), f"{words} names a group"
    return found


NAMED = """
messageQueue.ts connectionStateManager.ts healthMonitor.ts ecosystem.config.js messaging-history.set
setup-crash-recovery.sh .env.production.example syncFullHistory downloadHistory fireInitQueries ./sessions
npm install|npm run build|npm install -g pm2|brew install redis|apt-get install redis-server
cp .env.production.example .env|pm2 start ecosystem.config.js|pm2 save|pm2 startup|pm2 stop
pm2 restart|pm2 status|pm2 info|pm2 monit|pm2 logs|pm2 logs --lines 100|--max-memory-restart 800M
kill -9 <PID>|redis-cli ping|redis-cli shutdown|redis-server --daemonize yes
GET /health|POST /api/queue/retry-failed|POST /api/connections/recover
REDIS_HOST REDIS_PORT REDIS_MAX_CLIENTS SESSION_STORAGE_TYPE SESSION_BACKUP_INTERVAL STORAGE_BUCKET
SESSION_ENCRYPTION_KEY AUTO_RECOVERY HEALTH_CHECK_INTERVAL MESSAGE_QUEUE_ENABLED MAX_RETRY_ATTEMPTS
MAX_CONNECTIONS QUEUE_CONCURRENCY CPU_THRESHOLD MEMORY_THRESHOLD NODE_OPTIONS
max_restarts min_uptime max_memory_restart exp_backoff_restart_delay
whatsapp_connection_states health_status health_alerts message_queue_jobs recovery_actions
"""
"""The guide's names, in its order; a line of commands has them behind bars."""


def named() -> list[str]:
    lines = NAMED.strip().splitlines()
    return [one for line in lines for one in (line.split("|") if "|" in line else line.split())]


@pytest.mark.parametrize("name", named())
def test_what_the_guide_names_is_in_the_page(name: str) -> None:
    assert re.search(rf"`[^`\n]*{re.escape(name)}[^`\n]*`", PAGE)


@pytest.mark.parametrize("row", rows("Components"), ids=lambda row: row[0])
def test_each_component_is_where_it_is_said_to_be(row: list[str]) -> None:
    assert (ROOT / code(row[2])).is_file()


@pytest.mark.parametrize("row", rows("Commands"), ids=lambda row: row[0])
def test_each_command_exists(row: list[str]) -> None:
    teimoso, *words = shlex.split(code(row[1]))
    if teimoso == "make":
        assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()
        return
    assert teimoso == "teimoso"
    command(words)
    if words[:2] == ["jobs", "run"]:
        assert words[2] in JOB_MODULES


@pytest.mark.parametrize("row", rows("Endpoints"), ids=lambda row: row[0])
def test_each_endpoint_exists(row: list[str]) -> None:
    method, path = code(row[1]).split()
    assert (method, path) in {(one.method, one.path) for one in OPERATIONS}


@pytest.mark.parametrize("row", rows("Settings"), ids=lambda row: row[0])
def test_each_setting_exists(row: list[str]) -> None:
    assert code(row[1]) in SETTING_FIELDS


@pytest.mark.parametrize("row", rows("Collections"), ids=lambda row: row[0])
def test_each_collection_exists(row: list[str]) -> None:
    there = [getattr(documents, name) for name in dir(documents) if name.isupper()]
    assert code(row[1]) in [one for one in there if isinstance(one, str)]


def test_a_command_that_is_not_there_is_noticed() -> None:
    with pytest.raises(AssertionError):
        command(["dance"])


def test_each_proof_of_the_readme_is_there() -> None:
    proofs = re.findall(r"`(tests/[^`*]+)`", (ROOT / "README.md").read_text())
    assert len(proofs) > 20
    assert [path for path in proofs if not (ROOT / path).exists()] == []


def test_each_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in readme]
    assert not missing


def test_the_first_screen_of_the_readme_says_what_was_shown_and_what_nobody_tried() -> None:
    screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:24])
    assert "**Shown** with [a simulator](docs/simulator.md)" in screen
    assert "**Not tried by anybody\nhere:** the real WhatsApp" in screen
    assert "(docs/real-account.md)" in screen
