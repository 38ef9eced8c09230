"""A WhatsApp server for tests and first steps, on loopback alone."""
