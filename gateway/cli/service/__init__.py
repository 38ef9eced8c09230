"""`teimoso service …`: the instance as a systemd unit.

The unit runs `teimoso up`.
"""
