"""Runs the child program `teimoso-whatsmeow`: starts and stops the process, exchanges frames, copies the database.

Its deliveries are taken apart in the folder above.
"""
