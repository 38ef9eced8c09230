"""Defines an hour and a day in seconds, the units of retention times, quotas and ages."""

from typing import Final

HOUR: Final = 3_600

DAY: Final = 24 * HOUR
"""A day on which something is counted begins at midnight UTC: the seconds since the epoch, divided by this."""
