"""Implements `teimoso doctor`: checks the machine, the settings and external systems.

A check reports a finding; nothing here repairs anything.
"""
