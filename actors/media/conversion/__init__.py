"""Recognises what WhatsApp's apps play, and converts and describes other files by ffmpeg where that is installed.

`actors.connection.protocol.media` decides when, and keeps what is sent; `gateway.acceptance` refuses what cannot be.
"""
