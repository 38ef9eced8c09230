"""Single messages, as rows of the session file: secrets, sealed edits, other ids, placeholders.

Messages themselves are in the inbox, or among those that were sent.
"""
