"""Simulates what people show of themselves and to whom: pictures, the text of their status, and block lists."""
