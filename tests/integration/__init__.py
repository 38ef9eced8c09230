"""Tests over real processes; a package, so that those in it have names of their own."""
