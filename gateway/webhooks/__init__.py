"""Events on their way out: delivery to webhooks, and the stream of server-sent events.

The log of events is `actors/state/events`; the API's resource is `gateway/api/webhooks.py`.
"""
