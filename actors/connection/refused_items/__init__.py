"""Items of the inbox that the state store refuses: found, set aside in the session file, decided on; long words as files.

The inbox itself is in `actors/connection/session`, its way to the store in `actors.connection.owner.inbox_drain`.
"""
