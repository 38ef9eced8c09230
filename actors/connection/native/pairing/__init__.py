"""Pairs a device with a WhatsApp account: by a QR code, or by a code typed on the phone.

A device that is paired is `paired_client.py`.
"""
