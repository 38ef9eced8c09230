"""The pages that are made of the code: `docs/settings.md`, `.env.example`, `docs/api.md`.

`make docs` writes them; a test compares them.
"""
