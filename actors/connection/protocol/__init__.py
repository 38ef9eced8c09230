"""Implements the parts of WhatsApp's web protocol beside the encryption: stanzas, addresses, messages, media.

It opens no connection to WhatsApp: that is the program's, and `actors/connection/whatsmeow` calls these modules.
"""
