"""Connects to WhatsApp through proxies (HTTP CONNECT, SOCKS5), for the WhatsApp engine and for page requests.

Engines use them; the one of a connection is in its options.
"""
