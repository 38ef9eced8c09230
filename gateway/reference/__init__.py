"""Describes the API for people and programs from the OpenAPI document: tables of fields, samples in three languages, a client in Python.

`gateway.api.documentation` serves the page `/docs` from them, `gateway.cli.reference` writes `docs/`.
"""
