"""Who may begin to speak: places, lag and disk, looked at before quality suffers."""

from __future__ import annotations

import shutil
from collections.abc import Collection

from protocol.errors import Overloaded
from server.live import LiveSession
from server.settings import Settings

MEBIBYTE = 1 << 20
# Sessions that still wait for their finals take no place, but memory: so many times the places, and nobody else.
FINISHING_FACTOR = 2


def admit_speaker(settings: Settings, sessions: Collection[LiveSession]) -> None:
    """Raise ``Overloaded`` when one more live session would cost those that are there. Files wait their turn anyway."""
    live = [session for session in sessions if session.is_live]
    if len(live) >= settings.sessions_max or len(sessions) >= FINISHING_FACTOR * settings.sessions_max:
        raise Overloaded("all places are taken; try again soon", details={"sessions": len(live)}, retry_after_s=10)
    lag_s = max((session.pipeline.lag_ms for session in live), default=0) / 1000
    if lag_s > settings.admission_lag_max_s:
        raise Overloaded("the recogniser is behind; try again soon", details={"lag_s": lag_s}, retry_after_s=10)
    admit_sound(settings)


def admit_sound(settings: Settings) -> None:
    """Raise ``Overloaded`` when the disk is too full for anything new."""
    if shutil.disk_usage(settings.data_dir).free < settings.disk_reserve_mb * MEBIBYTE:
        raise Overloaded("the disk is nearly full; nothing new is recorded", retry_after_s=60)
