"""The gateway process: the HTTP API, webhooks and the console; and the command line `teimoso`.

It works on documents and Redis and calls no actor; the actors' restarts are `supervision`.
"""
