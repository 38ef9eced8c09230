"""Records an account's stanzas in trace files, and compares a recorded trace with the simulator's stanzas.

The format and the recorder's parts are those of `actors.connection.trace` (`docs/trace.md`). The recorder sends
and changes no stanza, and writes no text, name, number, key or token.
"""
