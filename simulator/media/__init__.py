"""Media servers of the simulated WhatsApp: encrypted files over HTTPS.

Messages that name a file are `contacts` and `server`.
"""
