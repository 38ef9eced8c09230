"""A quota for tests of something else."""

from __future__ import annotations

from actors.runtime.quotas import Quota

UNLIMITED = Quota(0, 0, 0, "none", "none", 1)
