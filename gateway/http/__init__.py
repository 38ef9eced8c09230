"""HTTP below the API: server, endpoint, bodies, keys, limits, problems, the OpenAPI document.

No resource of the service is named here; those are `gateway/api`.
"""
