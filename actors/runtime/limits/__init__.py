"""Limits of callers and of processes: refusals, quotas with a part for each connection, memory of a container.

Settings that set them are `actors/config`, their HTTP answers `gateway/http`.
"""
