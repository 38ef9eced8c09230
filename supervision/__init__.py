"""Supervises an instance: restarts Ray actors (root and child actors) and OS processes, runs maintenance jobs.

The work of the actors is in `actors`; `keeper` runs the processes of a host, Ray's own included.
"""

import actors as _  # noqa: F401 - first, for it imports structlog without extras
