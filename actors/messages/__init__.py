"""The content of a message: typed values, from the API to WhatsApp and back.

Nothing here sends, stores or validates a request.
"""
