"""Generates `docs/settings.md`, `.env.example` and `docs/api.md` from the code.

`make docs` writes them; a test compares them.
"""
