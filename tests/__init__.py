"""A package, so that it stands before one of the same name which a library installs."""
