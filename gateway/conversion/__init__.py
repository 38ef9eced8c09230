"""Converts callers' files to what WhatsApp's apps play and show, by ffmpeg where that is installed.

`gateway.acceptance` decides what is sent, and keeps the files.
"""
