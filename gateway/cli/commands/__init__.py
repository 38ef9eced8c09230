"""Implements command groups of `teimoso`, a module each; most call the gateway's HTTP API.

Options and dispatch are `app.py`; commands for the whole instance are `instance`.
"""
