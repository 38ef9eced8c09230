"""Flight recorder of the simulator: writes the shape of an account's traffic to files.

The format is in `docs/trace.md`; the engine has a recorder of its own. Nothing here sends or changes a
stanza, and no text, name, number, key or token is written.
"""
