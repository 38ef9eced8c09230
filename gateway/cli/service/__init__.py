"""Implements `teimoso service …`: installs and removes the systemd unit that runs an instance.

The unit runs `teimoso up`.
"""
