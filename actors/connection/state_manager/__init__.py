"""Calls the StateManager actor from the process of a connection: the interface, and its implementation over Ray.

The StateManager itself is `actors/state`; what the owner reports to it is `actors.connection.owner.reporter`.
"""
