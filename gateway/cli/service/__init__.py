"""`teimoso service …`: the instance as a systemd unit.

What the unit runs is `teimoso up`.
"""
