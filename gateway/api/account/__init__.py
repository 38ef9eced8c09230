"""Operations of an account beside sending: it reads, links by passkey, and refuses calls.

Messages are in `gateway.api.sends` and `gateway.api.messages`.
"""
