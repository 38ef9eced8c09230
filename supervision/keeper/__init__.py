"""The keeper of a host: starts, watches and restarts the processes of one instance.

It loads neither Ray nor a Redis client, so that little can make it fail. The processes survive its
death, and the next keeper adopts them. The root (`supervision/root.py`) supervises the actors in Ray.
"""
