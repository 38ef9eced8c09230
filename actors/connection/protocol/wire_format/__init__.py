"""Encodes and decodes WhatsApp's binary stanzas and protobuf messages.

Frames and their encryption are the program's.
"""
