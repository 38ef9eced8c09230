"""A Firestore that Google's own client talks to, over one SQLite file: `kill -9` loses nothing.

It is exact where the service rests on it: transactions are isolated, a commit is whole or not at
all, preconditions, field masks, cursors and the order across types hold, and with `--indexes` a
query without its index is refused, as Google refuses it. It knows no security rules, no history
(`read_time`) and no pipelines.

    python -m tests.emulators.firestore --port 8085 --file store.db
"""
