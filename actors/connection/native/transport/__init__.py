"""Connects to WhatsApp's server: WebSocket, frames, Noise, binary stanzas, protobuf messages, login.

The meaning of stanzas is in `receive` and `send`.
"""
