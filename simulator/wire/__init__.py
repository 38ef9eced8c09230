"""The protocol on a socket: Noise, frames, stanzas, protobuf; the one adapter to the protocol library.

What a stanza does is `simulator/server`.
"""
