"""Builds request and answer models of message content from `actors.messages`, and presents stored content.

The envelope of an answer is `gateway/schemas/response_models.py`; events are presented by `event_presenters.py`.
"""
