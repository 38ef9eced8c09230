"""Sets aside inbox items that the state store refuses, until a person decides, and stores long texts as files.

The inbox itself is in `actors/connection/session`, its way to the store in `actors.connection.owner.inbox_drain`.
"""
