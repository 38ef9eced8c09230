"""Runs one WhatsApp connection: actor, lease, sending, receiving, session files, backups, the WhatsApp engine.

The protocol is in the engine, `whatsmeow`; files on disk are `session` and `backup`.
"""
