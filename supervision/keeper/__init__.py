"""The host's keeper: starts, watches and restarts the processes of one instance.

It is small on purpose, and loads neither Ray nor a Redis client: what keeps the others alive must
have the least to die of. Nothing stops when it dies; the next one attaches to what runs.
"""
