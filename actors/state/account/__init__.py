"""Stores the account's app state (contacts, chats, labels) as documents in SQLite or Firestore.

Messages are in `actors.state.messages`; how app state comes here is `actors.connection.abilities.app_state_changes`.
"""
