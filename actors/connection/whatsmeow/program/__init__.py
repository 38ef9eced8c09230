"""Runs the child program `teimoso-whatsmeow`: finds and starts it, talks over its pipe, copies its database.

Its deliveries are taken apart in the folder above.
"""
