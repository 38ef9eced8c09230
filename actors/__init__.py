"""The rooms that do the work: connections, queue, state and health, each behind its port."""
