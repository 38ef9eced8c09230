"""Simulates what people show of themselves and to whom: pictures, the text of their status, and block lists.

Settings of privacy and the properties of accounts are in `rules/`, names in `contacts/people.py`.
"""
