"""The accounts' own phones: pairing by QR or code, device signatures, history.

Other people's devices are `contacts`.
"""
