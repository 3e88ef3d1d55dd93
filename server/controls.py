"""What may be asked of a transcript that somebody speaks in: to pause, to go on, to end."""

from __future__ import annotations

from contextlib import suppress

from protocol.errors import IllegalMove
from protocol.wire.v1 import Action
from server.hub import Hub


async def control(hub: Hub, transcript_id: str, action: Action) -> None:
    """Nothing happens for what only asks. Raises what the hub raises."""
    match action:
        case Action.START:
            # Processing begins by itself with the sound; all there is to start is what was paused.
            with suppress(IllegalMove):
                await hub.unpause(transcript_id)
        case Action.PAUSE:
            await hub.pause(transcript_id)
        case Action.RESUME:
            await hub.unpause(transcript_id)
        case Action.STOP:
            await hub.end(transcript_id)
        case _:
            pass
