"""A quota for tests of something else."""

from __future__ import annotations

from actors.runtime.limits import Limit
from actors.runtime.quotas import Quota

UNLIMITED = Quota(None, Limit("none", 0, "none", 1), 0)
