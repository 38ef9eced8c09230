"""Rules of the server that differ between accounts, or that can be switched.

What goes wrong on demand, and ends with the process, is `simulator/faults.py`.
"""
