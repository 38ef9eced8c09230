"""Declares the settings of an instance, and resolves them from flags, environment and file.

Nothing here acts on a setting; each package reads the ones that concern it.
"""
