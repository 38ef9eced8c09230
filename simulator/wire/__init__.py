"""Wire protocol: Noise, frames, stanzas, protobuf; the adapter of the protocol library.

What a stanza does is `simulator/server`.
"""
