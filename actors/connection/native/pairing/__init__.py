"""Linking a device that is not paired yet: by a QR, or by a code typed on the phone.

A device that is paired is `paired_client.py`.
"""
