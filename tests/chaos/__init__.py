"""Faults of a whole instance; a package, so that its two instances end with the last test that may use them."""
