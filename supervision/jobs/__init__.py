"""Runs maintenance of an instance as Ray jobs: `ray job submit … -- python -m supervision.jobs NAME`.

A job has a `--dry-run`, reports its progress, and can be killed and run again: finished steps stay
finished. Maintenance without a person is `upkeep` in `actors/queue` and `actors/media`.
"""

from __future__ import annotations

from typing import Final

JOB_MODULES: Final = {
    "redrive": "redrive",
    "rewrap-keys": "rewrap",
    "verify-backups": "verify_backups",
    "prune-messages": "prune",
    "export-connection": "export",
    "recover-connection": "recover",
    "backup-redis": "backup_redis",
}
"""The name of each job, and its module in this package, which only its process loads."""
