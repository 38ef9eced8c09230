"""Implements `teimoso engine …`: builds the program with another commit of whatsmeow, and moves connections to it.

The program itself, and which one a connection runs, are in `actors/connection/whatsmeow/program`.
"""
