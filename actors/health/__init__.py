"""Monitors the health of an instance: probes servers, judges samples against thresholds, raises and clears alerts.

Nothing here restarts anything: that is `supervision`. Alerts become events in `actors/state`.
"""
