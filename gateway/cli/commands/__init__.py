"""The command groups that ask the API, a module each.

Options and dispatch are `app.py`; commands for the whole instance are `instance`.
"""
