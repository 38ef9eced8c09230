"""The bucket: named objects with generations, in a directory or at Google.

What the objects contain is the business of those who write them.
"""
