"""The way to WhatsApp's server: WebSocket, frames, Noise, binary stanzas, protobuf messages, login.

What a stanza means is the business of `receive` and `send`.
"""
