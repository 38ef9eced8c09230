"""Changes groups for both engines: addresses of members, refusals by WhatsApp's numbers, changes that others made.

Stanzas are in `native/administration`, requests to the program in `whatsmeow/queries`.
"""
