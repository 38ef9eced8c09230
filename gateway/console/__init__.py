"""The console: pages for a person who logged in with an API key."""
