"""Applies WhatsApp's limits on an account to queued messages: refusals, time-locks, caps on new chats.

Both engines share this package; reading WhatsApp's notices of a limit is theirs.
"""
