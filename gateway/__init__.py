"""Serves the HTTP API, event webhooks and the web console, and provides the command line `teimoso`.

It works on documents and Redis and calls no actor; the actors' restarts are `supervision`.
"""

import actors as _  # noqa: F401 - first, for it imports structlog without extras
