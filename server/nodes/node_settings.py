"""The settings of a node among others; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

WORKERS_MAX = 64
ENGINE_WORKERS = "workers counts server processes; inference processes are counted by engine_workers"
_URL = r"^$|^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?$"


class NodeSettings(BaseSettings):
    """How nodes that share a database find each other, and when one counts as dead."""

    redis_url: SecretStr | None = Field(
        None, description="Redis where nodes wake each other and count together, redis://...; unset: each alone."
    )
    workers: int = Field(
        1,
        ge=1,
        le=WORKERS_MAX,
        description="Server processes on this machine, which share the port and the inference processes; more than 1 "
        "need redis_url and PostgreSQL.",
    )
    worker_port: int = Field(
        0,
        ge=0,
        le=65535 - WORKERS_MAX,
        description="TCP port at which the first of several workers answers alone, each other at the next one, for "
        "Prometheus; 0: none.",
    )
    node_url: str = Field(
        "",
        pattern=_URL,
        description="Address at which clients reach this node and no other; told to those whose session is here.",
    )
    node_lease_s: float = Field(
        10.0,
        ge=1.0,
        le=120.0,
        description="A node not seen for so long is dead: others take over what it held. The same on all nodes.",
    )
    shared_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="What the nodes of one database make their keys from, the same on all; unset: key files in the "
        "data folder.",
    )
    record_remote_interval_s: float = Field(
        10.0,
        ge=1.0,
        le=60.0,
        description="New sound and pictures go to the bucket so often, where there is one; what is lost at most with a "
        "machine.",
    )
    spool_max_mb: int = Field(
        64,
        ge=1,
        le=10_000,
        description="Disk for events that wait while the database is away; what is above it waits in memory.",
    )

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            from server.shared_counts import check_redis_url  # here: its client takes half a second to import

            check_redis_url(url.get_secret_value())
        return url

    @field_validator("workers", mode="before")
    @classmethod
    def _is_not_engine_workers(cls, count: object) -> object:
        if count in (0, "0"):
            raise ValueError(f"{ENGINE_WORKERS}, and 0 of these is its default")
        return count

    @field_validator("workers")
    @classmethod
    def _have_redis(cls, count: int, info: ValidationInfo) -> int:
        if count > 1 and info.data.get("redis_url", "wrong itself, and told") is None:
            raise ValueError(
                f"{count} workers need redis_url: they wake each other there, and count together ({ENGINE_WORKERS})"
            )
        return count

    @property
    def redis(self) -> str | None:
        """The address of Redis. May hold a password: never logged."""
        return self.redis_url.get_secret_value() if self.redis_url is not None else None


def check_database_of_workers(url: SecretStr | None, workers: int) -> None:
    """Raises ``ValueError``. SQLite has one writer at a time, and tells nobody else that something is new."""
    if workers > 1 and (url is None or not url.get_secret_value().startswith("postgresql")):
        raise ValueError(f"{workers} workers need PostgreSQL, postgresql+asyncpg://...: SQLite is for one process")


def check_ports_of_workers(udp_port: int, ports: tuple[int, int] | None, workers: int) -> None:
    """Raises ``ValueError`` unless each worker can have a UDP port of its own."""
    if workers == 1:
        return
    if ports is not None:
        count = ports[1] - ports[0] + 1
        if count < workers:
            raise ValueError(f"{workers} workers need as many ports, and these are {count}")
    elif udp_port and (udp_port < 1024 or udp_port + workers - 1 > 65535):
        raise ValueError(
            f"{workers} workers take as many UDP ports from udp_port {udp_port} on; choose one from 1024 to "
            f"{65536 - workers}, or 0"
        )
