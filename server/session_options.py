"""What the recogniser is asked of a track: what its source asked for, and else what the house does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.contract import SessionOptions
from server.settings import Settings

if TYPE_CHECKING:
    from server.live import SourceOptions
    from server.store.records import Track


def track_language(settings: Settings) -> str | None:
    return None if settings.language == "auto" else settings.language


def session_options(settings: Settings, track: Track, options: SourceOptions) -> SessionOptions:
    """``track``: whose voices are told apart as it was asked for when it was new, also after a restart."""
    return SessionOptions(
        language=options.language or track_language(settings),
        hotwords=options.hotwords,
        heard_language=options.heard_language,
        interim=options.interim,
        utterance_silence_ms=options.utterance_silence_ms,
        lane=options.lane,
        diarize=track.diarize and settings.diarize,
        speakers_expected=track.speakers_expected,
        max_speakers=track.max_speakers,
    )
