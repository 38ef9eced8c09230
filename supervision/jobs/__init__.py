"""What is done to an instance now and then: `ray job submit … -- python -m supervision.jobs NAME`.

Each job can be tried (`--dry-run`), says how far it is, and may be run twice or be killed in the
middle: what was done stays done, and the next run does the rest.
"""

from __future__ import annotations

from typing import Final

JOBS: Final = {
    "redrive": "redrive",
    "rewrap-keys": "rewrap",
    "verify-backups": "copies",
    "prune-messages": "prune",
    "export-connection": "export",
    "recover-connection": "recover",
    "backup-redis": "backup_redis",
}
"""What each is called, and its module here, which is loaded by who runs it."""
