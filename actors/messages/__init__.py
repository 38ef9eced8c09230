"""The content of a message: typed values, from the API to WhatsApp and back; reasons for which its file waits.

`content` is the union and its JSON; each kind is in the module of its noun. Nothing here sends or stores.
"""
