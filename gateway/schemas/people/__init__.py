"""Defines models of people, groups and chats, and functions that fill the models.

Models of messages lie in `gateway.schemas.content`, those of other answers one level up.
"""
