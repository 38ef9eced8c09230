"""Names of chats: the address by which a person's chat is called today, and what follows when that changes.

How an engine learns that two addresses are one person's is the engine's; the lanes are `actors/queue`.
"""
