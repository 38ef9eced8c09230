"""Inbound: decrypted messages, written to the inbox with what each entails.

Their content is read by `from_proto` of `receive`.
"""
