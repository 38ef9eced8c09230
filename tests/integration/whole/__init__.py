"""Uses of a whole instance; a package, so that the instance ends with the last of them."""
