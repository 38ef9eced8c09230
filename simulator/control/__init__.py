"""Serves the control API of the simulator: HTTP on loopback, for tests and `teimoso simulate`.

It changes and reads `server_state`; it speaks no WhatsApp.
"""
