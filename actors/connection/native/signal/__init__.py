"""Implements Signal end-to-end encryption as libsignal's version 3: device sessions, sender keys, prekeys.

The rows are `actors/connection/session/identities`; which devices there are is `identities`.
"""
