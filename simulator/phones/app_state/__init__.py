"""Simulates app state: settings that an account's phone and companions share, encrypted for the server.

Keys, patches and collections, and the actions that the phone's owner takes. The server's part is the
query `w:sync:app:state` and the notification of each change; messages are elsewhere.
"""
