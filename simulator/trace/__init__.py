"""The flight recorder of the simulator: the shape of each account's traffic, written to files on request.

The format is in `docs/trace.md`; the engine has a recorder of its own. Nothing here sends or changes a
stanza, and no text, name, number, key or token is written.
"""
