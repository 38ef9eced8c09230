"""What every process needs from its operating system: actors, logs, files, processes, hosts.

Nothing here knows WhatsApp, Redis or the state store.
"""
