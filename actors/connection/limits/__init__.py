"""What WhatsApp does not let an account do, for one message or for a time.

Made for both engines.
"""
