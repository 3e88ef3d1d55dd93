"""Every setting, once: its unit is in its name, its default, bounds and one sentence beside it.

Settings come from options of ``earshot serve``, then the environment (``EARSHOT_PORT``), then ``earshot.toml`` in the
working directory (or ``EARSHOT_CONFIG``), then the defaults here. Unknown names fail the start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from server.blob_settings import BlobSettings
from server.client_address import networks_of
from server.client_settings import ClientSettings
from server.jobs.job_settings import JobSettings
from server.language_models.language_model_settings import LanguageModelSettings
from server.network_settings import NetworkSettings, parts
from server.nodes.node_settings import NodeSettings, check_database_of_workers
from server.projects.project_settings import ProjectSettings
from server.riva_settings import RivaSettings
from server.speaker_settings import SpeakerSettings
from server.webhooks.webhook_settings import WebhookSettings

PREFIX = "EARSHOT_"
# Read by tests and benches, or naming the file itself: not settings of the server.
NOT_SETTINGS = frozenset(
    {
        "EARSHOT_CHROMIUM",
        "EARSHOT_CONFIG",
        "EARSHOT_FIREFOX",
        "EARSHOT_NODE_PACKAGES",
        "EARSHOT_PLUGINS",
        "EARSHOT_SERVER",
        "EARSHOT_TEST_DATA",
    }
)


class SettingsError(Exception):
    """The configuration cannot be used; the message names each problem."""


class Settings(
    BlobSettings,
    ClientSettings,
    JobSettings,
    LanguageModelSettings,
    NetworkSettings,
    NodeSettings,
    ProjectSettings,
    RivaSettings,
    SpeakerSettings,
    WebhookSettings,
):
    """All settings of a node."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    # Where it serves and what it keeps.
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port for pages, REST and sockets; 0 takes a free one.")
    data_dir: Path = Field(Path("data"), description="Folder for the database, recordings and fetched models.")
    database_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="SQLAlchemy URL, such as postgresql+asyncpg://...; default: SQLite in the data folder.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="How log lines look; auto: text on a terminal, JSON otherwise."
    )
    deleted_kept_days: int = Field(
        30, ge=0, le=3650, description="So long deleted transcripts can be restored; 0: they are gone at once."
    )

    # From where it may be used; by whom: server/accounts/account_settings.py.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Web origins besides our own whose pages may call us, comma-separated."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names, comma-separated, that may stand for this server's address when no access_token is set."
    )

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "::1"),
        description="Addresses or networks, comma-separated, of proxies whose X-Forwarded-For and -Proto are believed.",
    )

    creations_per_minute: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Requests a minute by which one user, or one address, may make transcripts, peers, rooms and the "
        "like; one more gets 429; 0: no limit.",
    )
    failed_sign_ins_per_minute: int = Field(
        60,
        ge=0,
        le=1_000_000,
        description="Wrong credentials a minute from one address, after which it gets 429 for a while; 0: no limit.",
    )

    # The recogniser.
    engine: str = Field("auto", description="auto, pocketsphinx, sherpa-onnx, faster-whisper, riva, or a model's name.")
    engine_workers: int = Field(
        0, ge=0, le=64, description="Inference processes at most; 0: one per core or device, as the engine is good for."
    )
    language: str = Field("en", description="Language assumed when a session names none; auto lets the engine detect.")
    utterance_silence_ms: int = Field(500, ge=100, le=5000, description="Silence that ends an utterance.")
    utterance_max_s: float = Field(
        20.0, ge=5.0, le=28.0, description="Longest utterance before it is cut; engines may ask for less."
    )
    interim_interval_ms: int = Field(300, ge=100, le=5000, description="Wanted time between interims of a session.")
    commit_policy: Literal["local-agreement", "whisper-streaming"] = Field(
        "local-agreement", description="How words of an interim become sure; whisper-streaming needs that package."
    )
    engine_step_deadline_s: float = Field(
        30.0, ge=1.0, le=600.0, description="The inference process is restarted when it does not answer for so long."
    )
    engine_start_deadline_s: float = Field(
        180.0, ge=5.0, le=3600.0, description="Longest time the inference process may take to load its model."
    )
    engine_memory_max_mb: int = Field(
        0, ge=0, description="An inference process is restarted above this resident size; 0: no limit."
    )

    # Promises about sound.
    record_write_interval_ms: int = Field(
        200, ge=20, le=1000, description="Sound is written at least so often; equals what kill -9 may cost."
    )
    record_sync_interval_ms: int = Field(
        1000, ge=50, le=10_000, description="Sound is synced to disk so often; equals what a power cut may cost."
    )
    journal_commit_interval_ms: int = Field(
        20, ge=0, le=50, description="Events wait at most so long to be stored together."
    )
    disk_reserve_mb: int = Field(200, ge=0, description="New sessions are refused when less disk than this is free.")

    # Sessions and their limits.
    sessions_max: int = Field(64, ge=1, le=10_000, description="Live sessions at once; one more gets 503.")
    admission_lag_max_s: float = Field(
        15.0, ge=1, le=600, description="New live sessions get 503 while the words of one are so far behind."
    )
    admission_busy_max: float = Field(
        0.9, ge=0, le=2.0, description="New live sessions get 503 when every worker would be busier; 0: never for this."
    )
    session_max_s: float = Field(3 * 3600, ge=1, description="Longest live session; a bot's meeting may last a day.")
    resume_grace_s: float = Field(
        60.0, ge=0, le=3600, description="A lost connection keeps its session for so long, then it is finished."
    )
    connect_deadline_s: float = Field(15.0, ge=1, le=120, description="A WebRTC peer must be connected within this.")
    stalled_after_s: float = Field(
        4.0, ge=0.5, le=60, description="Without sound for so long a session is stalled; readers are told."
    )
    idle_deadline_s: float = Field(
        30.0, ge=1, le=600, description="A speaking socket without sound or keepalive for so long is closed."
    )
    first_message_deadline_s: float = Field(5.0, ge=0.5, le=60, description="A speaking socket's start must come by.")
    write_deadline_s: float = Field(10.0, ge=0.5, le=120, description="A socket that takes no bytes so long is cut.")
    ping_interval_s: float = Field(10.0, ge=1, le=60, description="Sockets are pinged so often.")
    drain_deadline_s: float = Field(
        15.0, ge=0, le=600, description="Longest wait for finals and uploads when told to stop; it is gone 10 s later."
    )
    message_max_bytes: int = Field(256 * 1024, ge=4096, le=1 << 24, description="Largest socket message.")
    catch_up_factor: float = Field(
        8.0, ge=1.0, le=100.0, description="A speaking socket may send so many times faster than real time."
    )
    sdp_max_bytes: int = Field(64 * 1024, ge=1024, le=1 << 20, description="Largest session description.")
    upload_max_mb: int = Field(500, ge=1, le=10_000, description="Largest uploaded file.")
    upload_max_s: float = Field(6 * 3600, ge=1, description="Longest uploaded recording.")
    uploads_open_max: int = Field(
        100, ge=1, le=10_000, description="Unfinished uploads in chunks at once; one more gets 503."
    )
    upload_expires_s: float = Field(
        24 * 3600, ge=60, description="An upload in chunks of which nothing came for so long is deleted."
    )
    subscribers_max: int = Field(64, ge=1, le=10_000, description="Readers of one transcript at once.")
    subscriber_queue_max: int = Field(256, ge=4, le=100_000, description="Events waiting for one reader at most.")

    # Rooms and meetings.
    rooms_max: int = Field(10_000, ge=1, description="Rooms at most; one more gets 503.")
    meetings_max: int = Field(200, ge=1, le=100_000, description="Meetings at once; one more gets 503.")
    meeting_participants_max: int = Field(100, ge=1, le=10_000, description="Participants of a meeting at once.")
    meeting_max_s: float = Field(8 * 3600, ge=60, le=7 * 86400, description="A meeting ends after this, at the latest.")
    meeting_empty_s: float = Field(
        300.0, ge=1, le=86400, description="A meeting ends when nobody was connected to it for so long."
    )

    whereby_api_key: SecretStr | None = Field(
        None, description="Key of Whereby's API; unset: there are no rooms of platform whereby."
    )
    whereby_url: str = Field("https://api.whereby.dev/v1", description="Address of Whereby's API.")
    whereby_deadline_s: float = Field(10.0, ge=0.1, le=60, description="Longest wait for one answer of Whereby.")

    @property
    def database(self) -> str:
        """The database's URL. Holds a password: never logged."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'earshot.db'}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach us."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"

    @property
    def uploads_dir(self) -> Path:
        """Chunks of files that are not whole yet, in a folder for each transcript."""
        return self.data_dir / "uploads"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, Path(os.environ.get("EARSHOT_CONFIG", "earshot.toml")))
        return init_settings, env_settings, toml

    @field_validator("database_url")
    @classmethod
    def _may_be_shared(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        check_database_of_workers(url, info.data.get("workers", 1))
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks_of(value)
        return value

    @field_validator(
        "allowed_origins",
        "allowed_hosts",
        "trusted_proxies",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return parts(value)

    @field_validator("whereby_url")
    @classmethod
    def _is_safe_for_a_key(cls, url: str) -> str:
        from server.accounts.keys_of_issuer import check_issuer_url  # here: it brings a client of HTTP along

        return check_issuer_url(url)


def load_settings(**options: object) -> Settings:
    """Read the settings; ``options`` (None means not given) win. Raises ``SettingsError`` naming every problem."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    problems = [
        f"{name}: no such setting"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known | NOT_SETTINGS
    ]
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        # The offending value is left out: it may be a secret.
        problems += [
            f"{'.'.join(str(p) for p in item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise SettingsError("\n".join(problems)) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"the settings file cannot be read: {error}") from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings
