"""App state: the settings that an account's phone and companions share, sealed from the server.

Keys, patches and collections, and the actions that the phone's owner takes. The server's part is the
query `w:sync:app:state` and the notification of each change; messages are elsewhere.
"""
