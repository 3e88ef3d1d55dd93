"""What ``earshot transcribe`` does: sound from a file or standard input to segments, by a server or in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from media.decode import probe_duration_s
from protocol.errors import EarshotError
from server.commands.failure import CommandFailed
from server.commands.screens import Screen
from server.commands.sound_given import LIMITS, Heard, Wanted


async def hear(wanted: Wanted, screen: Screen, stop: asyncio.Event) -> Heard:
    """Everything, until the end of the sound or ``stop``. Raises ``CommandFailed`` when there is nothing to show."""
    total_s: float | None = None
    try:
        if wanted.source != "-":
            total_s = await asyncio.to_thread(probe_duration_s, Path(wanted.source), LIMITS)
        screen.progress(0.0, total_s)
        if wanted.server:
            from server.commands.hearing_remotely import hear_remotely

            return await hear_remotely(wanted, screen, stop, total_s)
        from server.commands.hearing_here import hear_here

        return await hear_here(wanted, screen, stop, total_s)
    except EarshotError as error:
        raise CommandFailed(f"{wanted.source}: {error.message}") from None
