"""The rooms that do the work: connections, queue, state and health, each behind its port."""

from actors.runtime.lazy_imports import without

with without("rich"):  # for a console's colours: 3 MB in every process
    import structlog as _  # noqa: F401
