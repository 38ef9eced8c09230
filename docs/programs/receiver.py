"""Receives the deliveries of a webhook and keeps each event once, in Python without further packages.

An event is on disk, in the table `events` of `receiver.sqlite`, before it is acknowledged. Deliveries whose
signature is not that of TEIMOSO_WEBHOOK_SECRET, or older than five minutes, are refused, and so are those
of more than 32 MiB.
"""

import base64
import hashlib
import hmac
import os
import sqlite3
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = base64.b64decode(os.environ["TEIMOSO_WEBHOOK_SECRET"].removeprefix("whsec_"))
PORT = int(os.environ.get("PORT", "8099"))
LARGEST = 32 << 20

store = sqlite3.connect("receiver.sqlite", isolation_level=None)
store.execute("PRAGMA synchronous = FULL")
store.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, event BLOB NOT NULL)")


def is_signed(headers, body):
    """One of the signatures is that of the secret, or of the one before it."""
    identity, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
        return False
    words = f"{identity}.{sent}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(SECRET, words, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(each.encode(), expected.encode()) for each in given)


class Receiver(BaseHTTPRequestHandler):
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self.answer(413)
            return
        body = self.rfile.read(int(length))
        if not is_signed(self.headers, body):
            self.answer(401)
            return
        store.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?)", (self.headers["webhook-id"], body)
        )
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


HTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
