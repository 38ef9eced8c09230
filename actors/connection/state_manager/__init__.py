"""The StateManager as the owner of a connection calls it: the port, and the way to its process.

The StateManager itself is `actors/state`; what the owner reports to it is `actors.connection.owner.reporter`.
"""
