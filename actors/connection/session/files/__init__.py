"""Files of messages: what fetching and sending each takes, and how far it came.

Their bytes are in `actors.media`.
"""
