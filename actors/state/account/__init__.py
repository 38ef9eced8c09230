"""The documents of the account's app state: contacts, chats, labels.

Messages are in `actors.state.messages`; how app state comes here is `actors.connection.account.app_state`.
"""
