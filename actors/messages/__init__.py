"""Defines the typed content of messages and its JSON, shared by API, queue, inbox and WhatsApp engines.

`content` is the union and its JSON; each kind is in the module of its noun. Nothing here sends or stores.
"""
