"""Describes the API for people from the OpenAPI document: tables of fields, and samples in three languages.

`gateway.api.documentation` serves the page `/docs` from them, `gateway.cli.reference` writes `docs/`.
"""
