"""The state store: documents behind one port, and who writes them."""
