"""The settings of a node among others; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_URL = r"^$|^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?$"


class NodeSettings(BaseSettings):
    """How nodes that share a database find each other, and when one counts as dead."""

    redis_url: SecretStr | None = Field(
        None, description="Redis where nodes wake each other and count together, redis://...; unset: each alone."
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
        description="New sound goes to the bucket so often, where there is one; what is lost at most with a machine.",
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

    @property
    def redis(self) -> str | None:
        """The address of Redis. May hold a password: never logged."""
        return self.redis_url.get_secret_value() if self.redis_url is not None else None
