"""The way to Redis: the client, the keys, the scripts, and the leases of the connections."""
