"""Simulated phones of the accounts: pairing, device signatures, history syncs, app state.

Other people's devices are `contacts`.
"""
