"""Describes the API from the OpenAPI document: tables of fields, samples in three languages, a client in Python.

`gateway.api.documentation` serves the page `/docs` from them, `gateway.cli.reference` writes `docs/`.
"""
