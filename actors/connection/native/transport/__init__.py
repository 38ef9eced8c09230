"""The way to WhatsApp's server: WebSocket, frames, Noise, binary stanzas, login.

What a stanza means is the business of `receive` and `send`.
"""
