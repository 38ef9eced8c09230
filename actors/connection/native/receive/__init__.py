"""Handles stanzas from the native socket: decrypts messages, applies notifications, requests the offline queue.

Decrypted messages are converted and stored by `actors/connection/protocol/receive`.
"""
