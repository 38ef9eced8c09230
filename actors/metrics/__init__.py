"""What a process counts about itself, as plain numbers.

The gateway turns them into the text that Prometheus reads (`gateway/metrics`).
"""
