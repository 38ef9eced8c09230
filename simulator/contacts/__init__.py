"""Simulates people: devices, Signal sessions, sent messages and inboxes.

The inbox here is the oracle of the chaos tests.
"""
