"""Recognises the formats that WhatsApp's apps play, and converts and describes other files by ffmpeg if it is installed.

`actors.connection.protocol.media` decides when to convert, and sends the result; `gateway.acceptance` refuses a file
that would have to be converted where ffmpeg is missing.
"""
