"""What the root leaves in files of the data directory: processes, metrics, the history of recoveries.

Commands and the gateway read them without Ray; nothing here decides.
"""
