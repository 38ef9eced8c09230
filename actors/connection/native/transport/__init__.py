"""Connects to WhatsApp's server: WebSocket, frames, Noise, keepalive, login.

Stanzas and their encoding are `actors/connection/protocol`.
"""
