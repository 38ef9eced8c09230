"""Files that the root writes for others: processes, metrics, the history of recoveries.

Commands and the gateway read them without Ray; nothing here decides.
"""
