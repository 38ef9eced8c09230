"""Asks WhatsApp through the whatsmeow program: members of groups, phone numbers, changes of groups and profiles.

Messages are in `sender.py`, changes of chats in `paired_account.py`.
"""
