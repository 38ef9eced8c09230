"""Answers "ping" with "pong": a bot that reads the stream of events, in Python without further packages.

Each message is answered once, also where this program or the service is killed: the place in the stream is
noted behind the answer, and an answer that is asked for twice has the same `Idempotency-Key`.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ.get("TEIMOSO_URL", "http://127.0.0.1:8090")
KEY = os.environ["TEIMOSO_API_KEY"]
PLACE = Path(os.environ.get("BOT_PLACE", "bot.place"))


def request(path, body=None, **headers):
    headers = {"X-Api-Key": KEY, "Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=60)


def events():
    """Yields places in the stream, each with its event, or with None where nothing happened."""
    behind = {"Last-Event-ID": PLACE.read_text()} if PLACE.exists() else {}
    with request("/api/events?events=message.received", **behind) as stream:
        place, data = None, None
        for line in stream:
            text = line.decode().rstrip("\r\n")
            if text.startswith("id: "):
                place = text.removeprefix("id: ")
            elif text.startswith("data: "):
                data = json.loads(text.removeprefix("data: "))
            elif not text and place is not None:
                yield place, data
                place, data = None, None


def note(place):
    """Replaces the file at once: a kill leaves the place before or this one."""
    beside = PLACE.with_suffix(".new")
    beside.write_text(place)
    beside.replace(PLACE)


def answer(message):
    if message["direction"] != "in" or (message["text"] or "").strip().lower() != "ping":
        return
    pong = {
        "connection": message["connection"],
        "to": message["chat"],
        "text": "pong",
        "reply_to": message["id"],
    }
    try:
        request("/api/messages", pong, **{"Idempotency-Key": f"pong-{message['id']}"}).close()
    except urllib.error.HTTPError as refused:
        if refused.code == 429 or refused.code >= 500:
            raise  # it is asked for again
        print(f"refused: {json.load(refused)['code']}", file=sys.stderr)


while True:
    try:
        for place, event in events():
            if event is not None and event.get("type") == "message.received":
                answer(event["data"])
            note(place)
    except urllib.error.HTTPError as refused:
        if refused.code in (401, 403):
            sys.exit(f"The API key is refused: {refused}")
        print(f"again in 2 s: {refused}", file=sys.stderr)
    except (OSError, http.client.HTTPException) as away:
        print(f"again in 2 s: {away!r}", file=sys.stderr)
    time.sleep(2)
