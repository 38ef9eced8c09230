"""Descriptions of all settings; `docs/settings.md` and `.env.example` are made of them."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """Settings that belong together: a title, what is to be said of all of them, and each by its name."""

    title: str
    intro: str
    settings: dict[str, str]


HEAD = """\
# Settings

Each is an environment variable, or a line `NAME=VALUE` of the settings file that
`teimoso up --settings FILE` is given; the environment is stronger than the file. They are read once,
at the start. A bad value stops it with a sentence that names the setting, and so does an unknown
name in the file; in the environment, which is full of other names, one that is a slip away from a
setting's.

`teimoso settings show` lists what an instance goes by, `teimoso settings set NAME=VALUE` changes it
for good. Only `WHATSAPP_VERSION` and `DISK_RESERVE` may change while the instance runs; everything
else needs `teimoso down` first.

Intervals and pauses are milliseconds, where nothing else is said.
"""

SECTIONS = (
    Section(
        "The instance",
        """""",
        {
            "TEIMOSO_DATA": "the directory that holds everything that lasts; also `--data`",
            "TEIMOSO_HOST": "the address at which the API listens",
            "PORT": "the port of the API; also `--port`",
            "LOG_LEVEL": (
                "`debug`, `info`, `warning` or `error`; from `warning` on requests are not logged"
            ),
            "LOG_MAX_BYTES": (
                "bytes (also `32M`) that a log under `logs/` may have, and one of Ray's; "
                "then it is cut, and the four before it are kept"
            ),
            "TEIMOSO_API_KEY": (
                "the first API key, instead of one that is made and shown once; kept "
                "hashed. Commands send it"
            ),
            "HISTORY_RETENTION_DAYS": "days for which recovery history and alerts that are over are kept",
        },
    ),
    Section(
        "Limits",
        """`MAX_…` is for the instance, `…_PER_CONNECTION` for each connection, over all API keys that are for it. Three
older names do not say so: `RATE_LIMIT` is for each connection, `SPOOL_LIMIT` and `MEDIA_LIMIT` for each host. A caller at a limit gets 429 for a connection or a
key and 503 for the instance, with `Retry-After`, and the answer names the setting: its code is `quota_reached` or
`instance_limit_reached` where no other is named below. Half of each limit of the instance, but for `MAX_CONNECTIONS`,
and half of `SPOOL_LIMIT` is reserved for connections in equal parts ([tenants](security.md#the-parts-of-tenants)).""",
        {
            "MAX_CONNECTIONS": "connections that may exist; beyond it 503 `too_many_connections`",
            "RATE_LIMIT": (
                "requests that each API key, and each connection by all its keys, may make of one gateway "
                "process in a minute, all of them at once too (429 `rate_limited`); `0` for no limit"
            ),
            "MAX_REQUESTS": (
                "requests that all keys may make of one gateway process in a minute; `0` for no limit"
            ),
            "EVENT_READERS_PER_CONNECTION": (
                "readers of `/api/events` that each connection and each API key may have at one gateway process"
            ),
            "MAX_EVENT_READERS": (
                "readers that one gateway process has; the default is 5 for each of `MAX_CONNECTIONS`, and 5"
            ),
            "WEBHOOKS_PER_CONNECTION": "webhooks that each connection may have",
            "MAX_WEBHOOKS": (
                "webhooks of the instance; the default is 2 for each of `MAX_CONNECTIONS`, and 2"
            ),
            "API_KEYS_PER_CONNECTION": "API keys that each connection may have",
            "MAX_API_KEYS": (
                "API keys of the instance; the default is 10 for each of `MAX_CONNECTIONS`, and 10"
            ),
            "QUEUE_MEMORY_PER_CONNECTION": (
                "bytes (also `500M`) of Redis that the messages of one connection may take, those that were"
                " sent within seven days among them; beyond it sends are refused (429 `queue_full`);"
                " `0` for no limit"
            ),
            "MAX_REDIS_MEMORY": (
                "bytes that Redis may have in all before every send is refused (503 `redis_full`); `0` for nine"
                " tenths of its `maxmemory`, or where it has none for half of its machine's memory (of its"
                " container's, where that is less). Once half of it is used, each connection has an equal part of"
                " the other half"
            ),
            "SPOOL_LIMIT": (
                "messages that wait on the gateway's disk at most while Redis is away (503 `spool_unavailable`)"
            ),
            "MEDIA_LIMIT": (
                "bytes (also `20G`) that all files of this host may have together before no more is "
                "taken from callers; what arrives from WhatsApp is kept all the same; `0` for no limit "
                "but the disk's"
            ),
            "MEDIA_UPLOADS_PER_CONNECTION": (
                "bytes (also `2G`) that callers may upload for one connection in a day (UTC), by "
                "file or by URL, on this host; beyond it 429 `upload_budget_reached`; `MEDIA_MAX_BYTES` "
                "at least; `0` for no limit"
            ),
            "MEDIA_DOWNLOADS_PER_CONNECTION": (
                "bytes of files that arrive for one connection in a day (UTC); further "
                "ones wait (`deferred`) for the next day; `MEDIA_MAX_BYTES` at least; `0` for no limit"
            ),
            "MEDIA_DOWNLOADS_PER_SENDER": "the same for those of one sender to one connection",
        },
    ),
    Section(
        "Redis and Ray",
        """Where neither `REDIS_URL` nor `REDIS_HOST` is given, `teimoso up` starts a Valkey of its own, and where
`RAY_ADDRESS` is not given, a Ray head of its own.""",
        {
            "REDIS_URL": "a server as `redis://…`, not a cluster; stronger than the three below",
            "REDIS_HOST": "a server by its name",
            "REDIS_PORT": "its port",
            "REDIS_PASSWORD": "its password",
            "REDIS_REPLICAS": "how many replicas of Redis have a message on disk before it is accepted",
            "REDIS_MAX_CLIENTS": "how many connections the own Valkey takes",
            "RAY_ADDRESS": (
                "a cluster, which may have several hosts: each has the data directory "
                "under the same path, shared, or [one of its "
                "own](architecture.md#several-hosts), which takes a bucket"
            ),
        },
    ),
    Section(
        "State store",
        """Connections, messages, alerts and API keys lie in a file in the data directory, or on
Google's Firestore once one of the first two is given. A database belongs to one instance. Credentials
are found as Google's libraries find them (`GOOGLE_APPLICATION_CREDENTIALS`, or the machine's own).
Queries need the indexes of [`firestore.indexes.json`](../firestore.indexes.json): deploy them once,
`firebase deploy --only firestore:indexes`. Nothing moves from one store to the other.""",
        {
            "GOOGLE_CLOUD_PROJECT": "the project whose Firestore it is",
            "FIRESTORE_EMULATOR_HOST": "an emulator as `HOST:PORT` instead; no credentials are sought",
            "FIRESTORE_DATABASE": "the database in the project",
        },
    ),
    Section(
        "WhatsApp",
        """`--simulate` sets the server, its key and its media authority for the simulator that it starts.""",
        {
            "ENGINE": (
                "the [engine](engines.md) of new connections that name none: `native` or `whatsmeow`; "
                "without it `whatsmeow` for real accounts where its program is installed, else `native`"
            ),
            "WHATSAPP_URL": "the server",
            "WHATSAPP_ROOT_KEY": "the public key, in hex, that the server's certificate is checked by",
            "WHATSAPP_MEDIA_AUTHORITY": (
                "a PEM file of the authority that the media servers' certificates are "
                "checked by, instead of the public ones"
            ),
            "WHATSAPP_VERSION": (
                "the version of WhatsApp Web that is announced, for good; the next login takes a"
                " change up. Empty: the one that the server's own page names (`/sw.js`, then `/`, at"
                " the host of `WHATSAPP_URL`), read before a login when it was last read a day ago,"
                " and once more when WhatsApp refuses it"
            ),
            "WHATSAPP_PROXY": (
                "the proxy through which connections without one of their own reach WhatsApp and its media"
                " servers: `http://USER:PASSWORD@HOST:PORT` (CONNECT) or `socks5://USER:PASSWORD@HOST:PORT`;"
                " see [proxies](operations.md#proxies)"
            ),
            "WHATSAPP_SIGNED_PREKEY_AGE": "how old a signed prekey may become before it is replaced",
            "WHATSAPP_ACK_TIMEOUT": "how long an attempt to send waits for the server's ack",
            "WHATSAPP_TRACE": (
                "`on`: the shape of all connections' traffic is recorded in `logs/trace`, without "
                "texts, names, numbers, keys and tokens; see [traces](trace.md)"
            ),
        },
    ),
    Section(
        "Sessions",
        """A session is what makes the service a linked device: lose it, and a person has to scan a QR. It lies in
the data directory; with a bucket an encrypted copy lies there as well. See
[backups](backups.md).""",
        {
            "SESSION_STORAGE_TYPE": (
                "`local`: the data directory alone. `hybrid`: copies in the bucket as "
                "well; the default as soon as one is named. `cloud`: as `hybrid`, and a "
                "message is acknowledged to WhatsApp only when the state store has it, so "
                "that the loss of the disk loses none; receiving takes longer. A history sync "
                "is acknowledged once all of it is stored there. Receipts are acknowledged from "
                "the disk"
            ),
            "STORAGE_BUCKET": (
                "a bucket of Google Cloud Storage (`NAME` or `gs://NAME`), or a directory "
                "(`file:///PATH`, `/PATH`)"
            ),
            "SESSION_ENCRYPTION_KEY": (
                "32 bytes as 64 hex digits or in base64; several, with commas between: "
                "the first encrypts, all decrypt. A bucket without a key is refused. Keep "
                "it elsewhere as well: without it a copy is worth nothing"
            ),
            "SESSION_BACKUP_INTERVAL": (
                "how often a session that changed is copied; besides at once after "
                "pairing and when its connection is stopped"
            ),
        },
    ),
    Section(
        "Messages",
        """""",
        {
            "MESSAGE_QUEUE_ENABLED": (
                "whether messages wait until they can be sent; with `false` each is sent while its"
                " caller waits, or cancelled: nothing is kept for a connection or a Redis that is"
                " away, and nothing is sent later"
            ),
            "QUEUE_CONCURRENCY": (
                "messages of one connection that are on their way at a time, each in another chat"
            ),
            "MAX_RETRY_ATTEMPTS": "attempts until a message is a dead letter",
            "RETRY_BACKOFF_BASE": (
                "the longest pause after the first failed attempt; it doubles with each one"
            ),
            "RETRY_BACKOFF_CAP": "and grows no longer than this",
            "DEAD_LETTER_RETENTION_DAYS": "days for which a dead letter is listed and can be sent again",
            "JOB_RETENTION_DAYS": (
                "days for which `message_queue_jobs` tells of a message that is finished; "
                "of a dead letter not before its record is gone too, of one that is open "
                "always"
            ),
            "PACING_MESSAGES_PER_MINUTE": (
                "messages that one connection sends in a minute, spread evenly; `0` is no limit"
            ),
            "PACING_CHAT_GAP": "how long a chat waits after one message for the next, at least",
            "PACING_CHAT_JITTER": "and how much longer by chance",
        },
    ),
    Section(
        "Events",
        """See [webhooks](webhooks.md).""",
        {
            "EVENT_RETENTION_DAYS": (
                "days for which events are kept, for webhooks and for readers of "
                "`/api/events`; 2 at least"
            ),
            "WEBHOOK_URL_PRIVATE": (
                "whether a webhook may have a private address (loopback, a local network, "
                "a link's own)"
            ),
        },
    ),
    Section(
        "Files",
        """See [media](media.md).""",
        {
            "MEDIA_MAX_BYTES": "bytes (also `16M`) that a file may have, `250M` at most",
            "DISK_RESERVE": (
                "bytes (also `2G`) of the disk that are for Redis, sessions, spool and state alone: "
                "while no more are free, files that arrive wait (`deferred`), and uploads are "
                "refused (503 `disk_reserve`); a change holds at once; `0` for none. The alert of a full "
                "disk is `DISK_THRESHOLD`"
            ),
            "MEDIA_RETENTION_DAYS": (
                "days for which a file is kept after it was last needed; one that a "
                "waiting message or a dead letter brings is always needed"
            ),
            "MEDIA_URL_PRIVATE": (
                "whether the URL of a file may lead to a private address; with it, who "
                "has a key with the scope `send` reaches whatever the gateway's host does"
            ),
        },
    ),
    Section(
        "Recovery and health",
        """""",
        {
            "AUTO_RECOVERY": (
                "whether a connection that fell is started again; `false` leaves it `failed`"
            ),
            "STANDBY_ACTORS": "processes that wait, everything loaded, to take a connection over",
            "MAX_RESTARTS": (
                "falls of a connection, one after the other, until it is left `failed` "
                "for a while (`crash_loop`)"
            ),
            "MIN_UPTIME": "a life shorter than this counts as such a fall",
            "MAX_MEMORY_RESTART": (
                "bytes (also `800M`, `1G`) of memory over which a process is drained and "
                "restarted; no less than `128M`, nor sooner than three times `MIN_UPTIME` "
                "after it was last"
            ),
            "RESTART_BACKOFF_BASE": (
                "the longest pause before the first reconnect or the second restart in a "
                "row; it doubles with each one"
            ),
            "RESTART_BACKOFF_CAP": "and grows no longer than this",
            "HEARTBEAT_INTERVAL": (
                "how often a connection's owner says that it lives; silent for three of "
                "them, it is an alert"
            ),
            "HEALTH_CHECK_INTERVAL": "how often the health of everything is looked at",
            "ALERT_REPEAT_INTERVAL": (
                "after how long an alert that lasts is told again (`alert.repeated`); "
                "each time after twice as long, up to a day; `0` is never"
            ),
            "QUEUE_THRESHOLD": (
                "messages that wait, of all connections together, above which it is an "
                "alert (`queue_backlog`)"
            ),
            "ZOMBIE_THRESHOLD": (
                "how long WhatsApp may say nothing on an `open` connection until it is "
                "asked for a sign of life; 5000 at least. Without two answers in a row, "
                "10 s each, the connection is restarted (`zombie`)"
            ),
            "CPU_THRESHOLD": "percent of the machine above which `/health` is not `healthy`",
            "MEMORY_THRESHOLD": "the same of its memory",
            "DISK_THRESHOLD": "bytes (or `64M`) that a disk of the service must have left",
            "REDIS_LATENCY_THRESHOLD": "milliseconds above which Redis is slow: for a ping",
            "STORE_LATENCY_THRESHOLD": (
                "milliseconds above which the state store is slow: for reading one document"
            ),
        },
    ),
)
