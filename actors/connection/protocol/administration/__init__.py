"""Changes groups, pictures, blocked people and the own profile for both engines: addresses, refusals, changes by others.

Stanzas are in `native/administration`, requests to the program in `whatsmeow/queries`.
"""
