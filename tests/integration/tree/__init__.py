"""The tree of actors; a package, so that those in it have names of their own."""
