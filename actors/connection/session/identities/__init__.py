"""Stores keys, devices, phone numbers of LIDs and group members as rows of the session file.

The cryptography that uses them is the engine's.
"""
