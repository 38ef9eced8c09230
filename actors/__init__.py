"""The actors and what they work with: connections, queue, state, health, files, each in a package.

A package imports only the ports of the others; starting and restarting actors is `supervision`.
"""

from actors.runtime.lazy_imports import without

with without("rich"):  # for a console's colours: 3 MB in every process
    import structlog as _  # noqa: F401
