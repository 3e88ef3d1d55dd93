"""The settings of the engine ``riva``; part of ``server.settings.Settings``."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


class RivaSettings(BaseSettings):
    """Where an NVIDIA Riva server hears for us, and how it is asked."""

    riva_url: str = Field(
        "",
        max_length=300,
        description="Address of an NVIDIA Riva server, such as gpu.example.org:50051, which sound is then sent to; "
        "needed by the engine riva.",
    )
    riva_tls: bool = Field(False, description="Whether Riva is spoken to over TLS.")
    riva_ca_file: Path | None = Field(
        None, description="PEM file of the authorities by which Riva's certificate is known; unset: the usual ones."
    )
    riva_token: SecretStr | None = Field(
        None,
        min_length=1,
        validate_default=True,
        description="Token sent to Riva as `authorization: Bearer ...`; only over TLS, or on this machine.",
    )
    riva_model: str = Field(
        "", max_length=200, description="Model that Riva is asked for; unset: it takes the one for the language."
    )
    # A final takes Riva a few tenths of a second, and some seconds where it is given more than it has time for.
    riva_deadline_s: float = Field(
        10.0,
        ge=0.5,
        le=120.0,
        description="When Riva says nothing of an utterance that ended for so long, the utterance is sent anew.",
    )
    riva_hotword_boost: float = Field(
        20.0,
        ge=0.0,
        le=1000.0,
        description="How much Riva prefers a session's hotwords; what is good depends on its model.",
    )

    riva_diarization: bool = Field(
        False,
        description="Whether Riva is asked to tell the speakers of an utterance apart, where voices are; only with a "
        "model that was deployed for it, and for most of its speed.",
    )

    @field_validator("riva_url")
    @classmethod
    def _is_host_and_port(cls, url: str) -> str:
        if url:
            parts = urlsplit(f"//{url}")
            try:
                is_one = bool(parts.hostname) and parts.port is not None and parts.netloc == url
            except ValueError:
                is_one = False
            if not is_one or parts.username is not None:
                raise ValueError("a host and a port are needed, such as gpu.example.org:50051")
        return url

    @field_validator("engine", check_fields=False)
    @classmethod
    def _has_its_address(cls, engine: str, info: ValidationInfo) -> str:
        if engine == "riva" and not info.data.get("riva_url", "wrong itself, and told"):
            raise ValueError("riva needs riva_url")
        return engine

    @field_validator("riva_token")
    @classmethod
    def _is_not_told_to_all(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        url = str(info.data.get("riva_url", ""))
        if token is not None and url and not info.data.get("riva_tls") and not _is_here(url):
            raise ValueError("it would cross the network readable by all: set riva_tls")
        return token


def _is_here(url: str) -> bool:
    host = urlsplit(f"//{url}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
