"""Scenarios for each client; a package, so that simulator and clients end with the last of them."""
