"""The documents of ``whatsapp_messages``: received, changed afterwards, with files, removed.

The queue's view of outbound messages is `actors/queue/mirror/views.py`.
"""
