"""Delivers events to webhook endpoints, and streams events to API readers as server-sent events.

The log of events is `actors/state/events`; the API's resource is `gateway/api/webhooks`.
"""
