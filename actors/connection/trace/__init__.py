"""Records the shape of a connection's WhatsApp traffic to a file on request, without texts, names or numbers.

It never holds a text, a name, a number, a key or a token. The format is in `docs/trace.md`; the engine
hands stanzas over, and nothing here sends or changes one.
"""
