"""The console's pages, a module each.

The frame around a page is `page.py`, its HTML `templates`.
"""
