"""Changes the account at WhatsApp over the native socket: the stanzas, and what their answers say.

Addresses, refusals and caches are in `protocol/administration`; queries that change nothing in `identities`.
"""
