"""The files beside messages: sealed and uploaded, fetched and opened, by WhatsApp's media scheme."""
