"""Handles WhatsApp engines' features beside messages: app state, calls, presence, read marks, passkeys.

`port` declares them beside placeholder resends, `engine_base` is the base of engines without them.
Messages are in `actors.connection.engine`.
"""
