"""Handles requests for the web console's pages, one module for each page.

The frame around a page is `page_app.py`, its HTML `templates`.
"""
