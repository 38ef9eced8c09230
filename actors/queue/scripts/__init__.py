"""Contains the Lua scripts of the queue's transitions, each run atomically by Redis.

`actors/redis/scripts.py` loads them, `outbound_queue.py` and its neighbours call them.
"""
