"""Simulates the accounts' phones: pairing, device signatures, history syncs, app state.

Other people's devices are `contacts`.
"""
