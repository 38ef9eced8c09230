"""Implements `teimoso up`, `down`, `status` and `upgrade` for the whole instance on this host.

The processes themselves are the keeper's (`supervision/keeper`).
"""
