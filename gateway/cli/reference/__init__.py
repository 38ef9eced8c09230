"""Generates pages of facts (settings, API, CLI, client) and the tables of metrics and collections from the code.

`make docs` writes them; a test compares them.
"""
