"""Converts pictures to what WhatsApp's apps show, by ffmpeg where that is installed.

`gateway.acceptance` decides what is sent, and keeps the files.
"""
