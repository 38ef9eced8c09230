"""`teimoso up`, `down`, `status` and `upgrade`: the instance as a whole on this host.

The processes themselves are the keeper's (`supervision/keeper`).
"""
