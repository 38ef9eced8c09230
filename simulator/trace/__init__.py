"""Records the shape of an account's stanzas in files, and compares a recorded trace with the simulator's stanzas.

The format is in `docs/trace.md`; the engine has a recorder of its own. The recorder sends and changes no
stanza, and writes no text, name, number, key or token.
"""
