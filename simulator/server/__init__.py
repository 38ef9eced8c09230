"""WhatsApp's server: companions, queries, messages, groups, notifications, the offline queue.

The people behind it are `contacts`, the accounts' phones `phones`.
"""
