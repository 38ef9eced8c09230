"""The HTTP API and the command line; they know documents and Redis, and never Ray."""
