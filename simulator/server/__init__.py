"""Simulates the WhatsApp server: companions, queries, messages, groups, notifications.

The people behind it are `contacts`, the accounts' phones `phones`; `delivery` holds the offline queue.
"""
