"""Serves API routes for webhook endpoints (`resource`) and for the deliveries to each endpoint (`deliveries`).

The delivery itself is in `gateway.webhooks`.
"""
