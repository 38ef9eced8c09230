"""The API's resources, a module each: routes, and what each method does.

The shapes of requests and responses are `gateway/schemas`.
"""
