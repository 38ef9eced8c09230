"""The end of a login: its cause, and the consequence of each cause.

Pure values. The sockets that end are in the engines; the owner acts on consequences.
"""
