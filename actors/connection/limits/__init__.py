"""Applies WhatsApp's limits on an account to queued messages: refusals, time-locks, caps on new chats.

Reading WhatsApp's notices of a limit is `protocol/limits`.
"""
