"""The settings of telling voices apart; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class SpeakerSettings(BaseSettings):
    """Who speaks where one track mixes voices."""

    diarize: bool = Field(
        True, description="Whether voices are told apart where one microphone is heard; false: nowhere, whoever asks."
    )
    speaker_encoder: str = Field(
        "auto",
        description="By what voices are told apart: auto (a fetched encoder, or else the embedded one), embedded, "
        "or a name from `earshot models list`.",
    )
    speaker_segmentation: str = Field(
        "auto",
        description="By what is looked for where voices change and where two speak at once: auto (a fetched model, or "
        "else nothing), off, or a name from `earshot models list`.",
    )
    relabel_interval_s: float = Field(
        180.0,
        ge=10.0,
        le=3600.0,
        description="Who spoke is said anew, by all that was heard, after so much new speech (sooner at first), and at "
        "the end.",
    )
    relabel_deadline_s: float = Field(
        10.0,
        ge=0.0,
        le=300.0,
        description="A transcript's end waits so long for the last such pass; a longer one is told after it.",
    )
