"""End-to-end encryption in libsignal's version 3: devices, groups, prekeys.

The rows are `actors/connection/session/identities`; which devices there are is `identities`.
"""
