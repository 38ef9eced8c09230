"""Implements the server's wire protocol: Noise, frames, stanzas, protobuf; adapts the protocol library.

Stanzas are handled in `simulator/server`.
"""
