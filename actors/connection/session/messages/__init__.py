"""Single messages, as rows of the session file: secrets and other ids.

Messages themselves are in the inbox, or among those that were sent.
"""
