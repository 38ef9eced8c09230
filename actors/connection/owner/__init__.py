"""The loops of a connection's owner: sends, inbox, commands, lease, reports, liveness, and their end.

The actor around them is `actors/connection/actor.py`; WhatsApp is behind the engine's port.
"""
