"""The supervision tree in Ray: the root actor, its children, and the policy of restarts.

What an actor does is `actors`; the processes of a host, Ray's own included, are `keeper`.
"""

import actors as _  # noqa: F401 - first, for it imports structlog without extras
