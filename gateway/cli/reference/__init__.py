"""Generates `docs/settings.md`, `.env.example`, `docs/api.md`, `docs/cli.md` and `docs/teimoso_client.py` from the code.

`make docs` writes them; a test compares them.
"""
