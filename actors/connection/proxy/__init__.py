"""Proxies (HTTP CONNECT, SOCKS5) on the way to WhatsApp: their URLs, and connections through them.

What uses them is with the engines; which one a connection has is in its options.
"""
