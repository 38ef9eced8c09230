"""Queries WhatsApp through the whatsmeow program: the members of groups, and phone numbers.

Requests that change an account are in `paired_account.py`.
"""
