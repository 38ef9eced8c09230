"""Every setting of the service, typed, in one place.

Sources, strongest first: command-line flags (passed as keyword arguments), environment variables
under the names below, the settings file (``.env`` syntax), the defaults. `sources` resolves them
once per start, and the result is ``runtime.json`` in the data directory; every process reads that
file with `Settings.load`, so that no two processes of an instance can disagree.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from actors.config.limit_settings import LimitSettings
from actors.config.value_types import (  # noqa: TC001 - pydantic reads them
    ByteCount,
    Bytes,
    Days,
    Latency,
    Milliseconds,
    Pause,
    Percent,
    Port,
)
from actors.runtime.atomic_files import write_atomically

RUNTIME_FILE = "runtime.json"

LIVE = frozenset({"whatsapp_version", "disk_reserve"})
"""The settings that may change while an instance runs: whoever uses one reads it afresh."""

WHATSAPP_ROOT_KEY: Final = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
"""The public key, in hex, under which WhatsApp certifies its own servers (whatsmeow, handshake.go)."""

EngineName = Literal["native", "whatsmeow"]


class InvalidSettings(Exception):  # noqa: N818 - reads as what it is
    """A bad value or an unknown name; the message is one sentence a line, each naming a setting."""


class Settings(LimitSettings):
    """The settings of one instance. Intervals are milliseconds; `docs/settings.md` explains each."""

    model_config = ConfigDict(
        extra="forbid", validate_by_name=True, validate_by_alias=True, frozen=True
    )

    # the instance
    data: Path = Field(Path("data"), validation_alias="TEIMOSO_DATA")
    host: str = Field("127.0.0.1", validation_alias="TEIMOSO_HOST")
    port: Port = Field(8090, validation_alias="PORT")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="LOG_LEVEL"
    )
    log_max_bytes: Annotated[Bytes, Field(ge=2**16, le=2**34)] = Field(
        2**25, validation_alias="LOG_MAX_BYTES"
    )
    teimoso_api_key: SecretStr | None = Field(None, validation_alias="TEIMOSO_API_KEY")

    # Redis: embedded Valkey unless one is named
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    redis_host: str | None = Field(None, validation_alias="REDIS_HOST")
    redis_port: Port = Field(6379, validation_alias="REDIS_PORT")
    redis_password: SecretStr | None = Field(None, validation_alias="REDIS_PASSWORD")
    redis_replicas: int = Field(0, ge=0, le=16, validation_alias="REDIS_REPLICAS")
    redis_max_clients: int = Field(10_000, ge=16, le=10**6, validation_alias="REDIS_MAX_CLIENTS")

    # Firestore: the state store where a project or an emulator is named, else a file of SQLite.
    google_cloud_project: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9.:-]{0,62}$", validation_alias="GOOGLE_CLOUD_PROJECT"
    )
    firestore_database: str = Field(
        "(default)",
        pattern=r"^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$",
        validation_alias="FIRESTORE_DATABASE",
    )
    firestore_emulator_host: str | None = Field(
        None,
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}$",
        validation_alias="FIRESTORE_EMULATOR_HOST",
    )

    # Ray: a local head unless a cluster is named. `ray_port` 0 lets the keeper choose.
    ray_address: str | None = Field(None, validation_alias="RAY_ADDRESS")

    # WhatsApp
    whatsapp_url: str = Field("wss://web.whatsapp.com/ws/chat", validation_alias="WHATSAPP_URL")
    whatsapp_root_key: str = Field(
        WHATSAPP_ROOT_KEY, pattern=r"^[0-9a-f]{64}$", validation_alias="WHATSAPP_ROOT_KEY"
    )
    # Looked up where none is set (`actors/connection/whatsapp_version.py`).
    whatsapp_version: str | None = Field(
        None,
        pattern=r"^[0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10}$",
        validation_alias="WHATSAPP_VERSION",
    )
    whatsapp_signed_prekey_age: Annotated[int, Field(ge=60_000, le=7_776_000_000)] = Field(
        604_800_000, validation_alias="WHATSAPP_SIGNED_PREKEY_AGE"
    )
    whatsapp_media_authority: Path | None = Field(None, validation_alias="WHATSAPP_MEDIA_AUTHORITY")
    whatsapp_ack_timeout: Milliseconds = Field(20_000, validation_alias="WHATSAPP_ACK_TIMEOUT")
    # That of connections without one of their own.
    whatsapp_proxy: SecretStr | None = Field(None, validation_alias="WHATSAPP_PROXY")
    whatsapp_trace: bool = Field(False, validation_alias="WHATSAPP_TRACE")

    # The engine of new connections that name none; where this is unset, `default_engine` decides.
    engine: EngineName | None = Field(None, validation_alias="ENGINE")

    # sessions
    storage_bucket: str | None = Field(None, min_length=1, validation_alias="STORAGE_BUCKET")
    session_encryption_key: SecretStr | None = Field(
        None, validate_default=True, validation_alias="SESSION_ENCRYPTION_KEY"
    )
    session_storage_type: Literal["local", "hybrid", "cloud"] = Field(
        default_factory=lambda known: "hybrid" if known.get("storage_bucket") else "local",
        validate_default=True,
        validation_alias="SESSION_STORAGE_TYPE",
    )
    session_backup_interval: Annotated[int, Field(ge=1_000, le=86_400_000)] = Field(
        60_000, validation_alias="SESSION_BACKUP_INTERVAL"
    )

    # queue
    message_queue_enabled: bool = Field(True, validation_alias="MESSAGE_QUEUE_ENABLED")
    queue_concurrency: int = Field(10, ge=1, le=1000, validation_alias="QUEUE_CONCURRENCY")
    max_retry_attempts: int = Field(5, ge=1, le=100, validation_alias="MAX_RETRY_ATTEMPTS")
    retry_backoff_base: Milliseconds = Field(1_000, validation_alias="RETRY_BACKOFF_BASE")
    retry_backoff_cap: Milliseconds = Field(300_000, validation_alias="RETRY_BACKOFF_CAP")
    dead_letter_retention_days: Days = Field(30, validation_alias="DEAD_LETTER_RETENTION_DAYS")
    job_retention_days: Days = Field(30, validation_alias="JOB_RETENTION_DAYS")
    pacing_messages_per_minute: int = Field(
        0, ge=0, le=60_000, validation_alias="PACING_MESSAGES_PER_MINUTE"
    )
    pacing_chat_gap: Pause = Field(0, validation_alias="PACING_CHAT_GAP")
    pacing_chat_jitter: Pause = Field(0, validation_alias="PACING_CHAT_JITTER")

    # a day's retries fit into what is kept
    event_retention_days: int = Field(7, ge=2, le=365, validation_alias="EVENT_RETENTION_DAYS")
    webhook_url_private: bool = Field(False, validation_alias="WEBHOOK_URL_PRIVATE")

    # files of messages
    media_retention_days: Days = Field(30, validation_alias="MEDIA_RETENTION_DAYS")
    media_url_private: bool = Field(False, validation_alias="MEDIA_URL_PRIVATE")

    # supervision and health
    auto_recovery: bool = Field(True, validation_alias="AUTO_RECOVERY")
    standby_actors: int = Field(1, ge=0, le=10, validation_alias="STANDBY_ACTORS")
    max_restarts: int = Field(10, ge=1, le=1000, validation_alias="MAX_RESTARTS")
    min_uptime: Milliseconds = Field(10_000, validation_alias="MIN_UPTIME")
    max_memory_restart: Annotated[Bytes, Field(ge=2**27)] = Field(
        2**30, validation_alias="MAX_MEMORY_RESTART"
    )
    restart_backoff_base: Milliseconds = Field(500, validation_alias="RESTART_BACKOFF_BASE")
    restart_backoff_cap: Milliseconds = Field(60_000, validation_alias="RESTART_BACKOFF_CAP")
    heartbeat_interval: Milliseconds = Field(30_000, validation_alias="HEARTBEAT_INTERVAL")
    health_check_interval: Milliseconds = Field(30_000, validation_alias="HEALTH_CHECK_INTERVAL")
    history_retention_days: Days = Field(90, validation_alias="HISTORY_RETENTION_DAYS")
    alert_repeat_interval: Pause = Field(3_600_000, validation_alias="ALERT_REPEAT_INTERVAL")
    zombie_threshold: Milliseconds = Field(30_000, ge=5_000, validation_alias="ZOMBIE_THRESHOLD")
    queue_threshold: int = Field(100, ge=1, le=10_000_000, validation_alias="QUEUE_THRESHOLD")
    cpu_threshold: Percent = Field(80, validation_alias="CPU_THRESHOLD")
    memory_threshold: Percent = Field(85, validation_alias="MEMORY_THRESHOLD")
    disk_threshold: ByteCount = Field(64 * 2**20, validation_alias="DISK_THRESHOLD")
    redis_latency_threshold: Latency = Field(250, validation_alias="REDIS_LATENCY_THRESHOLD")
    store_latency_threshold: Latency = Field(1000, validation_alias="STORE_LATENCY_THRESHOLD")

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("whatsapp_url")
    @classmethod
    def _websocket(cls, value: str) -> str:
        if not value.startswith(("ws://", "wss://")):
            raise ValueError("must begin with ws:// or wss://")
        try:
            parts = urlsplit(value)
            whole = parts.port != 0 and parts.hostname is not None
        except ValueError:
            whole = False
        # What the standard library reads it would drop line ends from, unlike who connects.
        if not whole or re.search(r"[\x00-\x20\x7f]", value):
            raise ValueError("must name a host, as in wss://HOST:PORT/PATH")
        return value

    @field_validator("storage_bucket")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if (path := _path(value)) is not None:
            return path.expanduser().absolute().as_uri()
        if not re.fullmatch(r"(gs://)?[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", value):
            raise ValueError("must be a bucket's name, or a directory as file:///PATH")
        return value

    @field_validator("session_encryption_key")
    @classmethod
    def _keys(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            from actors.connection.backup.keyring import Keyring  # noqa: PLC0415 - seldom needed

            Keyring.of(value.get_secret_value())
        elif info.data.get("storage_bucket") is not None:
            raise ValueError(
                "STORAGE_BUCKET takes no session without a key; `openssl rand -hex 32` makes one"
            )
        return value

    @field_validator("session_storage_type", mode="before")
    @classmethod
    def _kept(cls, value: object, info: ValidationInfo) -> object:
        named = info.data.get("storage_bucket") is not None
        if value in {"hybrid", "cloud"} and not named and "storage_bucket" in info.data:
            raise ValueError(f"{value} needs a bucket, named by STORAGE_BUCKET")
        return value

    @field_validator("engine", mode="before")
    @classmethod
    def _servable(cls, value: object) -> str | None:
        from actors.connection.engine import servable  # noqa: PLC0415 - seldom needed

        return None if value is None else servable(str(value))

    @field_validator("whatsapp_version", mode="before")
    @classmethod
    def _given(cls, value: object) -> object:
        """Nothing is no version, and so is the default of releases that looked none up."""
        return None if value in ("", "2.3000.1035194821") else value

    @field_validator("whatsapp_version")
    @classmethod
    def _announceable(cls, value: str | None) -> str | None:
        if value is not None and any(int(number) >= 2**32 for number in value.split(".")):
            raise ValueError("WhatsApp has 32 bits for each of its numbers")
        return value

    @classmethod
    def load(cls, data: Path) -> Self:
        """The settings that the keeper of the instance in `data` resolved.

        A directory that was moved or copied is its own: what it holds is not sought at the old place.
        """
        settings = cls.model_validate_json((data / RUNTIME_FILE).read_text())
        return settings.model_copy(update={"data": data.expanduser().absolute()})

    def current(self) -> Self:
        """The settings as the data directory has them now; these where it has none that can be read.

        For what may be changed while the instance runs (`LIVE`); all else stays as it was.
        """
        try:
            now = type(self).load(self.data)
        except (OSError, ValueError):
            return self
        return self.model_copy(update={name: getattr(now, name) for name in LIVE})

    def save(self) -> None:
        """Write `runtime.json` (mode 0600: it holds secrets) atomically."""
        values = self.model_dump(mode="json")
        for name, value in self:
            if isinstance(value, SecretStr):
                values[name] = value.get_secret_value()
        del values["teimoso_api_key"]  # needed once, at the first start, and kept hashed
        write_atomically(self.data / RUNTIME_FILE, json.dumps(values, indent=1))

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
    def reached_at(self) -> str:
        """The host at which this machine reaches the gateway: one address where it has all of them."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104

    @property
    def several_hosts(self) -> bool:
        """Whether actors may run elsewhere: the instance's own Ray is on this host alone."""
        return self.ray_address is not None

    @property
    def links_real_accounts(self) -> bool:
        """Whether a phone that scans links an account at WhatsApp itself.

        The root key decides, not the address: a login succeeds at those servers alone that it
        certifies, whatever they are reached through. ``--simulate`` sets the simulator's.
        """
        return self.whatsapp_root_key == WHATSAPP_ROOT_KEY

    @property
    def bucket_directory(self) -> Path | None:
        """The directory that is the bucket; None where it is Google's, or there is none."""
        return None if self.storage_bucket is None else _path(self.storage_bucket)

    @property
    def sessions(self) -> Path:
        """The directory of the session files, with one directory per connection."""
        return self.data / "sessions"

    @property
    def state_file(self) -> Path:
        """The state store where it is SQLite."""
        return self.data / "state.db"

    @property
    def on_firestore(self) -> bool:
        """Whether the state store is Firestore."""
        return self.google_cloud_project is not None or self.firestore_emulator_host is not None

    @property
    def firestore_project(self) -> str:
        """The project; an emulator takes any."""
        return self.google_cloud_project or "teimoso"

    @property
    def state_store(self) -> str:
        """The state store as a person may know it."""
        if not self.on_firestore:
            return str(self.state_file)
        where = self.firestore_emulator_host or "Firestore"
        return f"{where}, project {self.firestore_project}, database {self.firestore_database}"

    @property
    def spool_file(self) -> Path:
        return self.data / "spool.db"

    @property
    def media(self) -> Path:
        """The directory of the messages' files on this host."""
        return self.data / "media"

    @property
    def logs(self) -> Path:
        """The directory of the logs, with one file per process."""
        return self.data / "logs"

    @property
    def traces(self) -> Path:
        """The directory of the traces: shapes of connections' traffic, recorded on request."""
        return self.logs / "trace"


def written_at(data: Path) -> float:
    """The time at which the settings of the instance in `data` were last written, in seconds since the epoch."""
    try:
        return (data / RUNTIME_FILE).stat().st_mtime
    except OSError:
        return 0.0


def _path(bucket: str) -> Path | None:
    """The directory that STORAGE_BUCKET names; None for the name of a bucket."""
    if bucket.startswith("file://"):
        return Path(unquote(urlsplit(bucket).path))
    return Path(bucket) if bucket.startswith(("/", "./", "../", "~")) else None
