"""What WhatsApp does not let an account do, for one message or for a time.

Both engines share it; how WhatsApp tells of it is theirs.
"""
