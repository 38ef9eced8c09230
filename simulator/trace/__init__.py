"""Flight recorder of the simulator: writes the shape of an account's traffic to files.

The format is in `docs/trace.md`; the engine has a recorder of its own. The recorder sends and changes no
stanza, and writes no text, name, number, key or token.
"""
