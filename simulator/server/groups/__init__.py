"""Simulates groups on the server: stores members, routes group messages, answers group queries.

Group messages of simulated people are sent by `contacts/group_behaviour.py`.
"""
