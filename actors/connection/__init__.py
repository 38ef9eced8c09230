"""One WhatsApp connection: the actor, its lease, what it sends and receives, the port to an engine.

The protocol is in the engines, `native` and `whatsmeow`; files on disk are `session` and `backup`.
"""
