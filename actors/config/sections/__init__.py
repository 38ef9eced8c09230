"""Declares the settings by section of `docs/settings.md`, each with type, default and description.

Their sources, and the file that hands them to every process, are `actors/config`.
"""
