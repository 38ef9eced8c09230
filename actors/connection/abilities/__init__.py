"""Handles WhatsApp engines' features beside messages: app state, calls, presence, read marks, passkeys.

`port` declares them beside placeholder resends.
Messages are in `actors.connection.engine`.
"""
