"""Who hears of a session of the recogniser."""

from __future__ import annotations

from typing import Literal, Protocol

from protocol.words import Segment


class AsrListener(Protocol):
    """Who hears of a session. Called on the loop; what it raises is logged and goes no further.

    One that has ``on_gave_up(start_samples, end_samples, message)`` is told as well what sound could not be heard, and
    one that has ``on_prints(VoicePrints)`` the voice prints of a final, right before its segments.
    """

    def on_segment(self, segment: Segment, lag_ms: int) -> None: ...

    def on_settled(self, samples: int) -> None: ...

    def on_engine_state(self, state: Literal["ok", "degraded"]) -> None: ...
