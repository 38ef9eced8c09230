"""Events: derived from the writes of a batch, numbered with it, read behind a number; deliveries of them.

To make deliveries to webhooks, and to serve streams, is the gateway's.
"""
