"""Wire protocol: Noise, frames, stanzas, protobuf; the adapter of the protocol library.

Stanzas are handled in `simulator/server`.
"""
