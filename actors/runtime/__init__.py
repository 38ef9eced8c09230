"""Provides what every process needs: base class of actors, logs, files, processes, hosts, ids.

Nothing here depends on WhatsApp, Redis or the state store.
"""
