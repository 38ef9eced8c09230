"""Implements `teimoso simulate …`: commands that call the simulator's control API.

The simulator itself is not here, nor are commands for an instance with real accounts.
"""
