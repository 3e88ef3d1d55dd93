"""Our settings as the inference processes are told them."""

from __future__ import annotations

from asr.worker_settings import WorkerSettings
from server.settings import Settings


def worker_settings(settings: Settings) -> WorkerSettings:
    return WorkerSettings(
        engine=settings.engine,
        language=settings.language,
        models_dir=settings.models_dir,
        utterance_silence_ms=settings.utterance_silence_ms,
        utterance_max_s=settings.utterance_max_s,
        interim_interval_ms=settings.interim_interval_ms,
        commit_policy=settings.commit_policy,
        speaker_encoder=settings.speaker_encoder,
        speaker_segmentation=settings.speaker_segmentation,
        step_deadline_s=settings.engine_step_deadline_s,
        start_deadline_s=settings.engine_start_deadline_s,
        memory_max_mb=settings.engine_memory_max_mb,
        workers=settings.engine_workers,
        riva_url=settings.riva_url,
        riva_tls=settings.riva_tls,
        riva_ca_file=str(settings.riva_ca_file or ""),
        riva_token=settings.riva_token.get_secret_value() if settings.riva_token else "",
        riva_model=settings.riva_model,
        riva_deadline_s=settings.riva_deadline_s,
        riva_hotword_boost=settings.riva_hotword_boost,
        riva_diarization=settings.riva_diarization,
    )
