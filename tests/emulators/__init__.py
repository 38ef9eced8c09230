"""Outside systems as processes of their own, where none that behaves can be installed."""
