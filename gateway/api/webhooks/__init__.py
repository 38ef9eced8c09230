"""Operations of webhooks: the endpoints themselves (`resource`), and what became of each event (`deliveries`).

The delivery itself is in `gateway.webhooks`.
"""
