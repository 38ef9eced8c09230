"""The parts of an instance: the command, the ports and the readiness check of each process.

`keeper.py` starts and watches them.
"""
