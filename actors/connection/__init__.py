"""Runs one WhatsApp connection: actor, lease, sending, receiving, session files, backups, WhatsApp engines.

The protocol is in the engines, `native` and `whatsmeow`; files on disk are `session` and `backup`.
"""
