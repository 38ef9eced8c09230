"""The tree with two paired connections; a package, so that it ends with the last test of it."""
