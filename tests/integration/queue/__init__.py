"""The queue on real servers; a package, so that these end with the last test of it."""
