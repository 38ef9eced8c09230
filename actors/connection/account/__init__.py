"""Abilities of an engine beside messages: passkeys, placeholder resends, app state, calls.

The port for them, and the base of engines without them. Messages are in `actors.connection.engine`.
"""
