"""Events: derived from the writes of a batch, numbered with it, read behind a number.

Delivery to webhooks and streams is the gateway's.
"""
