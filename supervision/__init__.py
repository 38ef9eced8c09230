"""Supervises the Ray actors of an instance: the root actor, its child actors, and the policy of restarts.

The work of the actors is in `actors`; `keeper` runs the processes of a host, Ray's own included.
"""

import actors as _  # noqa: F401 - first, for it imports structlog without extras
