"""Starts, monitors and restarts the OS processes of one instance on a host: Valkey, Ray, gateway, simulator.

It loads neither Ray nor a Redis client, so that little can make it fail. The processes survive its
death, and the next keeper adopts them. The root (`supervision/root.py`) supervises the actors in Ray.
"""
