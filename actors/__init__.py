"""Defines the Ray actors and the libraries they share: connections, queue, state, health, files, Redis, settings.

A package imports only the ports of the others; starting and restarting actors is `supervision`.
"""

from actors.runtime.hidden_imports import without

with without("rich"):  # for a console's colours: 3 MB in every process
    import structlog as _  # noqa: F401
