"""The health of an instance: probes and resources, judged against thresholds; alerts that follow.

Nothing here restarts anything: that is `supervision`. Alerts become events in `actors/state`.
"""
