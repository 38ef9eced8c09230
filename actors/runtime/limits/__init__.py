"""Provides limits of callers and processes: refusals, quotas per connection, memory of a container.

Settings that set them are `actors/config`, their HTTP answers `gateway/http`.
"""
