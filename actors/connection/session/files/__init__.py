"""Stores the media downloads and uploads of messages in the session file: their parameters and their progress.

Their bytes are in `actors.media`.
"""
