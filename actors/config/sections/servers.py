"""Declares the settings of the servers of an instance: Redis, Ray, and the state store (Firestore or SQLite)."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, SecretStr

from actors.config.sections.section import Section
from actors.config.value_types import Port  # noqa: TC001 - pydantic reads it
from actors.runtime.text_pattern import TextPattern


class RedisAndRaySettings(Section):
    """The servers of the queue and of the actors: the instance's own unless others are named."""

    title = "Redis and Ray"
    intro = """Where neither `REDIS_URL` nor `REDIS_HOST` is given, `teimoso up` starts a Valkey of its own, and where
`RAY_ADDRESS` is not given, a Ray head of its own."""

    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="a server as `redis://…`, not a cluster; stronger than the three below",
    )
    redis_host: str | None = Field(
        None, validation_alias="REDIS_HOST", description="a server by its name"
    )
    redis_port: Port = Field(6379, validation_alias="REDIS_PORT", description="its port")
    redis_password: SecretStr | None = Field(
        None, validation_alias="REDIS_PASSWORD", description="its password"
    )
    redis_replicas: int = Field(
        0,
        ge=0,
        le=16,
        validation_alias="REDIS_REPLICAS",
        description="how many replicas of Redis have a message on disk before it is accepted",
    )
    redis_wait: int = Field(
        5_000,
        ge=0,
        le=60_000,
        validation_alias="REDIS_WAIT",
        description=(
            "milliseconds for which a send waits for a Redis that is away before it is refused (503 `redis_away`): a restart that"
            " is shorter refuses none"
        ),
    )
    redis_max_clients: int = Field(
        10_000,
        ge=16,
        le=10**6,
        validation_alias="REDIS_MAX_CLIENTS",
        description="how many connections the own Valkey takes",
    )
    ray_address: str | None = Field(
        None,
        validation_alias="RAY_ADDRESS",
        description=(
            "a cluster, which may have several hosts: each has the data directory under the same path, shared, or"
            " [one of its own](architecture.md#several-hosts), which takes a bucket"
        ),
    )
    ray_dashboard: bool = Field(
        False,
        validation_alias="RAY_DASHBOARD",
        description=(
            "whether the own Ray head starts with its [dashboard](operations.md#rays-dashboard), 13 processes and"
            " 390 MB; else `teimoso dashboard` and `teimoso jobs` open it"
        ),
    )

    @cached_property
    def redis_address(self) -> str:
        """The URL to connect to, password included: never log it."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        password = self.redis_password.get_secret_value() if self.redis_password else ""
        login = f":{quote(password, safe='')}@" if password else ""
        host = self.redis_host or "127.0.0.1"
        if ":" in host:  # IPv6
            host = f"[{host.strip('[]')}]"
        return f"redis://{login}{host}:{self.redis_port}/0"

    @property
    def several_hosts(self) -> bool:
        """Whether actors may run elsewhere: the instance's own Ray is on this host alone."""
        return self.ray_address is not None


class StateStoreSettings(Section):
    """The state store: Firestore where a project or an emulator is named, else a file of SQLite."""

    title = "State store"
    intro = """Connections, messages, alerts and API keys lie in a file in the data directory, or on
Google's Firestore once one of the first two is given. A database belongs to one instance. Credentials
are found as Google's libraries find them (`GOOGLE_APPLICATION_CREDENTIALS`, or the machine's own).
Queries need the indexes of [`firestore.indexes.json`](../firestore.indexes.json): deploy them once,
`firebase deploy --only firestore:indexes`. Nothing moves from one store to the other."""

    google_cloud_project: (
        Annotated[
            str,
            TextPattern(
                r"^[a-z0-9][a-z0-9.:-]{0,62}$",
                "a project has lower-case letters, digits, dots, colons and dashes, as in shop-prod",
            ),
        ]
        | None
    ) = Field(
        None,
        validation_alias="GOOGLE_CLOUD_PROJECT",
        description="the project whose Firestore it is",
    )
    firestore_emulator_host: (
        Annotated[
            str,
            TextPattern(
                r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}$",
                "write HOST:PORT, as in 127.0.0.1:8080",
            ),
        ]
        | None
    ) = Field(
        None,
        validation_alias="FIRESTORE_EMULATOR_HOST",
        description="an emulator as `HOST:PORT` instead; no credentials are sought",
    )
    firestore_database: Annotated[
        str,
        TextPattern(
            r"^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$",
            "write (default), or 4 to 63 lower-case letters, digits and dashes, as in shop-prod",
        ),
    ] = Field(
        "(default)",
        validation_alias="FIRESTORE_DATABASE",
        description="the database in the project",
    )

    @property
    def on_firestore(self) -> bool:
        """Whether the state store is Firestore."""
        return self.google_cloud_project is not None or self.firestore_emulator_host is not None

    @property
    def firestore_project(self) -> str:
        """The project; an emulator takes any."""
        return self.google_cloud_project or "teimoso"
