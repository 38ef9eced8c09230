"""Names of chats: the address by which a person's chat is called today, and what follows when that changes.

Engines learn that two addresses are one person's; the lanes are `actors/queue`.
"""
