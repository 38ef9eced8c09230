"""Building blocks of every process: base class of actors, logs, files, processes, hosts, ids.

Nothing here knows WhatsApp, Redis or the state store.
"""
