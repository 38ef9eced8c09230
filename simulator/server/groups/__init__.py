"""Groups on the server: members, their messages, and the queries about them.

Group messages of simulated people are sent by `contacts/group_behaviour.py`.
"""
