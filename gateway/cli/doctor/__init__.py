"""`teimoso doctor`: checks of this machine, the settings and the systems outside.

A check reports a finding; nothing here repairs anything.
"""
