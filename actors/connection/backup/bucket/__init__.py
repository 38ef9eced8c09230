"""The bucket: named objects with generations, in a directory or at Google.

The content of the objects is in `backup/envelope.py`.
"""
