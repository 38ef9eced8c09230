"""Serves the web console: HTML pages for a person who logged in with an API key.

The API's resources are `gateway/api`; the pages' HTML is in `templates`, their style in `static`.
"""
