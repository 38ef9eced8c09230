"""Abilities of an engine beside messages: passkeys, placeholder resends, app state, calls, presence.

The port for them, the base of engines without them, and the way of calls to the StateManager. Messages
are in `actors.connection.engine`.
"""
