"""The settings by section of `docs/settings.md`: each with its type, its default and its text.

Their sources, and the file that hands them to every process, are `actors/config`.
"""
