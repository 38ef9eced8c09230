"""Classifies the end of a login at WhatsApp by its cause, and decides the consequence of each cause.

Pure values. The sockets that end are in the engines; the owner acts on consequences.
"""
