"""Implements the parts of WhatsApp's web protocol that both engines share: stanzas, addresses, messages, media.

It opens no connection to WhatsApp: the sockets are `actors/connection/native` and the program of
`actors/connection/whatsmeow`, which call these modules.
"""
