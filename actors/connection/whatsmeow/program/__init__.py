"""The program `teimoso-whatsmeow`: its files, its process, the pipe to it, and copies of its database.

What it delivers is taken apart in the folder above.
"""
