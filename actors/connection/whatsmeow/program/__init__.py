"""The program `teimoso-whatsmeow`: its files, its process, the pipe to it, and copies of its database.

Its deliveries are taken apart in the folder above.
"""
