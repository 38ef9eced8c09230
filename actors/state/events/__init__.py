"""Derives, numbers, stores and reads events, which report changes to webhooks and streams.

To make deliveries to webhooks, and to serve streams, is the gateway's.
"""
