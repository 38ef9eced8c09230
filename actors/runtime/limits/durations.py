"""Defines a minute, an hour and a day in seconds, the units of rates, retention times, quotas and ages."""

from typing import Final

MINUTE: Final = 60

HOUR: Final = 60 * MINUTE

DAY: Final = 24 * HOUR
"""A day on which something is counted begins at midnight UTC: the seconds since the epoch, divided by this."""
