"""The content of a message: typed values, from the API to WhatsApp and back; reasons for which its file waits.

Nothing here sends, stores or validates a request.
"""
