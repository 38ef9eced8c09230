"""The settings of an instance: declared and typed once, resolved from flags, environment and file.

Nothing here acts on a setting; each package reads the ones that concern it.
"""
