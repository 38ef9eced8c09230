"""Runs the loops of the process that owns a connection: sending, inbox, commands, lease, reports, liveness.

The actor around them is `actors/connection/actor.py`; WhatsApp is behind the engine's port.
"""
