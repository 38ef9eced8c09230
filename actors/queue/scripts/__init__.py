"""The queue's transitions as Lua, each run atomically by Redis.

`actors/redis/scripts.py` loads them, `lanes.py` and its neighbours call them.
"""
