"""Changes groups, pictures, blocked people and the own profile: addresses, refusals, changes by others.

Requests to the program are in `whatsmeow/queries`.
"""
