"""The people whom the simulator plays: devices, sessions, what they say and what arrived.

The inbox here is the oracle of the chaos tests.
"""
