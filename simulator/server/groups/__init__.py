"""Groups on the server: members, their messages, and the queries about them.

Group messages that played people send are `contacts/group_behaviour.py`.
"""
