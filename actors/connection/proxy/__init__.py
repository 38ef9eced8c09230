"""Proxies (HTTP CONNECT, SOCKS5) on the way to WhatsApp: their URLs, and connections through them.

Engines use them; the one of a connection is in its options.
"""
