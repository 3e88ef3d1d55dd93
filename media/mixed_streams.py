"""What a mixer gives, as Opus: one stream for all who only listen, and one for each of those who speak.

To encode costs a hundred times as much as to add up, so it is done once for all who hear the same: a room of twenty in
which one speaks has one encoder at work. A participant who begins to speak goes over to a stream of their own, whose
encoder begins anew then: a packet of speech needs next to nothing of the one before (each is made to be decoded after a
loss), so nothing is heard of the change. Silence is not encoded: a moment of it ends a stream, and then none comes.

What is to be encoded is told, not done: encoding is for a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from media.mixer import FRAME_BYTES, Mix
from media.opus_encoder import OpusEncoder, open_encoder

TRAIL_FRAMES = 5
"""So many frames of silence end a stream: what the ear hears last is silence, and not what a decoder makes up."""
_SILENCE = bytes(FRAME_BYTES)


@dataclass(slots=True)
class Work:
    """One frame for one encoder. ``packet`` is there when it is done; empty, with the ``error``, if it could not be."""

    encoder: OpusEncoder
    frame: bytes
    begins: bool
    packet: bytes = b""
    error: Exception | None = None

    def do(self) -> None:
        """Blocking, some 0.1 ms. Raises nothing: others' frames are done by the same thread."""
        try:
            if self.begins:
                self.encoder.reset()
            self.packet = self.encoder.encode(self.frame)
        except Exception as error:
            self.packet, self.error = b"", error


class MixedStreams:
    """The streams of one room. ``frame`` numbers are those of a clock that ticks every 20 ms."""

    def __init__(self) -> None:
        self._common = _Stream()
        self._own: dict[str, _Stream] = {}

    def leave(self, key: str) -> None:
        """Nobody hears this stream any more. Idempotent."""
        self._own.pop(key, None)

    def work(self, mix: Mix, listeners: Iterable[str], frame: int) -> dict[str, Work]:
        """What is to be encoded in this frame, by who is to hear it; who hears silence is left out."""
        found: dict[str, Work] = {}
        common, is_common_known = None, False
        for key in listeners:
            if key in mix.own:
                if (own := self._own.get(key)) is None:
                    own = self._own[key] = _Stream()
                work = own.next(mix.own[key], frame)
            else:
                if not is_common_known:
                    common, is_common_known = self._common.next(mix.common, frame), True
                work = common
            if work is not None:
                found[key] = work
        return found


class _Stream:
    __slots__ = ("_before", "_encoder", "_fed_frame", "_trail")

    def __init__(self) -> None:
        self._encoder: OpusEncoder | None = None
        self._before: Work | None = None
        self._fed_frame = -1
        self._trail = 0

    def next(self, sound: bytes | None, frame: int) -> Work | None:
        goes_on = self._fed_frame == frame - 1
        if sound is not None:
            self._trail = TRAIL_FRAMES
        elif goes_on and self._trail:
            self._trail -= 1
            sound = _SILENCE
        else:
            return None
        self._fed_frame = frame
        if self._encoder is None:
            self._encoder = open_encoder()
        # An encoder that failed is begun anew: nothing is said of what state it is in.
        has_failed = self._before is not None and self._before.error is not None
        self._before = Work(self._encoder, sound, begins=has_failed or not goes_on)
        return self._before
