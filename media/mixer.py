"""Sound of many to each: every 20 ms, for each participant, the sum of all the others.

Pure: no I/O, no clock of its own; who calls ``mix`` every 20 ms is the clock. What is said is summed once. Who says
something just now hears that sum without their own part; all the others hear the same, ``Mix.common``, so what a frame
costs depends on how many speak, not on how many listen.

Blocks come when the network brings them. Each input waits until about 60 ms are there before it is heard, and again
after it ran dry. What is too much is dropped, the oldest first: at once when more than 200 ms wait (300 where packets
are of 120 ms), and earlier where there is nothing but quiet to be dropped. Wherever sound begins, ends or is cut, 5 ms
of fading make no click of it.

Noise that nobody would hear opens no voice: an input is part of the sum from its first loud frame until half a second
after the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, Block

FRAME_MS = 20
FRAME_SAMPLES = FRAME_MS * MS_SAMPLES
FRAME_BYTES = FRAME_SAMPLES * BYTES_PER_SAMPLE
TARGET_SAMPLES = 60 * MS_SAMPLES
HOLD_SAMPLES = 200 * MS_SAMPLES
HEADROOM_SAMPLES = 40 * MS_SAMPLES
"""So much must wait besides the block that came last: packets of 60 ms need more than packets of 20 ms."""
PACKET_MAX_SAMPLES = 120 * MS_SAMPLES
WAIT_FRAMES_MAX = 6
"""A word shorter than what is waited for is heard all the same, so much later."""
FADE_SAMPLES = 5 * MS_SAMPLES
QUIET_PEAK = 64
"""54 dB below full scale."""
OPEN_FRAMES = 25
KNEE = 24_000
"""Up to here sums are exact; above, they are bent towards full scale and never reach it."""

_FADE_BYTES = FADE_SAMPLES * BYTES_PER_SAMPLE
_TARGET_BYTES = TARGET_SAMPLES * BYTES_PER_SAMPLE
_HOLD_BYTES = HOLD_SAMPLES * BYTES_PER_SAMPLE
_HEADROOM_BYTES = HEADROOM_SAMPLES * BYTES_PER_SAMPLE
_RISE = (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES
_FALL = 1 - _RISE
_ROOM = 32_767 - KNEE

Sums = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is heard in one frame, as 16-bit samples; None where there is nothing to hear.

    ``own``: for each of those who speak, everybody but them. The others hear ``common``.
    """

    common: bytes | None = None
    own: dict[str, bytes | None] = field(default_factory=dict)

    def heard_by(self, key: str) -> bytes | None:
        return self.own.get(key, self.common)


_SILENT = Mix()


class Mixer:
    """Participants by key. Each says something by ``push`` and hears the others in what ``mix`` returns.

    ``dropped_samples``: what was cut away so that delay does not grow, of all inputs.
    """

    def __init__(self) -> None:
        self.dropped_samples = 0
        self._inputs: dict[str, _Input] = {}
        self._awake: dict[str, _Input] = {}  # with sound waiting, or that spoke a moment ago; the rest cost nothing
        self._endings: list[bytes] = []

    def __contains__(self, key: str) -> bool:
        return key in self._inputs

    def __len__(self) -> int:
        return len(self._inputs)

    def add(self, key: str) -> None:
        """A participant joins; one that is there already begins anew: their blocks count from another beginning."""
        if key in self._inputs:
            self._inputs[key].begin_anew()
        else:
            self._inputs[key] = _Input()

    def remove(self, key: str) -> None:
        """A participant leaves; what they were just saying ends softly. Idempotent."""
        gone = self._inputs.pop(key, None)
        self._awake.pop(key, None)
        if gone is not None and (ending := gone.begin_anew()) is not None and gone.open_frames:
            self._endings.append(ending)

    def push(self, key: str, block: Block) -> None:
        """What a participant says. Nothing of somebody who is not there."""
        source = self._inputs.get(key)
        if source is not None:
            self.dropped_samples += source.push(block)
            if source.is_awake:
                self._awake[key] = source

    def waiting_samples(self, key: str) -> int:
        return len(self._inputs[key].waiting) // BYTES_PER_SAMPLE

    def mix(self) -> Mix:
        """The next 20 ms."""
        pieces, self._endings = self._endings, []
        endings = len(pieces)
        rows: dict[str, int] = {}
        for key, source in list(self._awake.items()):
            piece, dropped_samples = source.pull()
            self.dropped_samples += dropped_samples
            if piece is not None:
                rows[key] = len(pieces)
                pieces.append(piece)
            elif source.open_frames:
                source.open_frames -= 1
            elif not source.is_awake:
                del self._awake[key]
        if not pieces:
            speaking = [key for key, source in self._awake.items() if source.open_frames]
            return Mix(None, dict.fromkeys(speaking)) if speaking else _SILENT
        sound = np.frombuffer(b"".join(pieces), "<i2").reshape(-1, FRAME_SAMPLES).astype(np.int32)
        loud = np.abs(sound).max(axis=1) >= QUIET_PEAK
        for key, row in rows.items():
            source = self._awake[key]
            source.open_frames = OPEN_FRAMES if loud[row] else max(0, source.open_frames - 1)
            if not source.open_frames:
                sound[row] = 0
        speaking = [key for key, source in self._awake.items() if source.open_frames]
        if not (speaking or endings):
            return _SILENT
        return _mix_minus(sound, rows, speaking, endings)


def _mix_minus(sound: Sums, rows: dict[str, int], speaking: list[str], endings: int) -> Mix:
    """Once the sum, and for each of those who speak the sum without them."""
    total = sound.sum(axis=0, dtype=np.int32)
    sums = [total]
    # Who speaks alone hears nobody, which is to be said as None rather than as a frame of zeros.
    if len(speaking) > 1 or endings:
        sums += [total - sound[rows[key]] if key in rows else total for key in speaking]
    heard = [frame.tobytes() for frame in soften(np.stack(sums))]
    own: dict[str, bytes | None] = dict.fromkeys(speaking)
    own.update(zip(speaking, heard[1:], strict=False))
    return Mix(heard[0], own)


def soften(sums: Sums) -> npt.NDArray[np.int16]:
    """Sums as 16-bit samples: what is too loud is bent, not clipped, and never wraps."""
    size = np.abs(sums)
    if size.max(initial=0) <= KNEE:
        return sums.astype(np.int16)
    over = np.maximum(size - KNEE, 0) / _ROOM
    bent = np.minimum(size, KNEE) + _ROOM * np.tanh(over)
    return np.asarray(np.sign(sums) * bent, np.int16)


class _Input:
    """What one participant said and nobody has heard yet."""

    __slots__ = ("_end_samples", "_ending", "_enough_bytes", "_heard", "_is_dry", "_waited", "open_frames", "waiting")

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.open_frames = 0  # so long it counts as speaking
        self._end_samples: int | None = None
        self._is_dry = True  # nothing is heard until enough waits
        self._waited = 0
        self._enough_bytes = _TARGET_BYTES
        self._heard = bytes(FRAME_BYTES)  # the frame before
        self._ending: bytes | None = None

    @property
    def is_awake(self) -> bool:
        return bool(self.waiting or self.open_frames or self._ending) or not self._is_dry

    def begin_anew(self) -> bytes | None:
        """What comes next counts from another beginning. Returns what makes an end of what was being heard."""
        if not self._is_dry:
            self._ending = _falling(bytes(self.waiting[:FRAME_BYTES]), self._heard)
        self.waiting.clear()
        self._end_samples = None
        self._is_dry, self._waited = True, 0
        return self._ending

    def push(self, block: Block) -> int:
        """Returns how many samples had to be dropped for it."""
        pcm = block.pcm
        if self._end_samples is not None and block.start_samples != self._end_samples:
            missing = block.start_samples - self._end_samples
            if missing < 0:
                rest = block.after(self._end_samples)
                if rest is None:
                    return block.length_samples
                pcm = rest.pcm
            elif not self._is_dry and missing <= HOLD_SAMPLES:
                self.waiting += bytes(missing * BYTES_PER_SAMPLE)
        self._end_samples = block.end_samples
        if self._is_dry and not self.waiting and pcm == bytes(len(pcm)):
            return 0  # a pause that is told of when it is over
        packet_bytes = min(len(pcm), PACKET_MAX_SAMPLES * BYTES_PER_SAMPLE)
        self._enough_bytes = max(_TARGET_BYTES, packet_bytes + _HEADROOM_BYTES)
        self.waiting += pcm
        is_too_much = len(self.waiting) > max(_HOLD_BYTES, 2 * packet_bytes + _TARGET_BYTES)
        return self._cut(len(self.waiting) - self._enough_bytes) if is_too_much else 0

    def pull(self) -> tuple[bytes | None, int]:
        """The next frame, if there is one; and how many samples were dropped before it."""
        if self._ending is not None:
            ending, self._ending = self._ending, None
            return ending, 0
        dropped_samples = 0
        is_new = self._is_dry
        if is_new:
            self._waited += bool(self.waiting)
            if not self.waiting or (len(self.waiting) < self._enough_bytes and self._waited < WAIT_FRAMES_MAX):
                return None, 0
            self._is_dry, self._waited = False, 0
        else:
            dropped_samples = self._catch_up()
        frame = bytes(self.waiting[:FRAME_BYTES])
        del self.waiting[:FRAME_BYTES]
        if len(frame) < FRAME_BYTES:
            self._is_dry = True
            frame = _falling(frame, self._heard)
        if is_new:
            frame = _rising(frame)
        self._heard = frame
        return frame, dropped_samples

    def _catch_up(self) -> int:
        """More waits than should: it is not missed where it is quiet."""
        dropped_samples = 0
        while len(self.waiting) >= self._enough_bytes + 2 * FRAME_BYTES and _is_quiet(self.waiting[:FRAME_BYTES]):
            dropped_samples += self._cut(FRAME_BYTES)
        return dropped_samples

    def _cut(self, size_bytes: int) -> int:
        """Drop the oldest; what would have come next fades into what comes instead."""
        before = np.frombuffer(bytes(self.waiting[:_FADE_BYTES]), "<i2")
        del self.waiting[:size_bytes]
        after = np.frombuffer(bytes(self.waiting[:_FADE_BYTES]), "<i2")
        self.waiting[:_FADE_BYTES] = (before * _FALL + after * _RISE).astype("<i2").tobytes()
        return size_bytes // BYTES_PER_SAMPLE


def _is_quiet(pcm: bytes | bytearray) -> bool:
    samples = np.frombuffer(bytes(pcm), "<i2").astype(np.int32)
    return int(np.abs(samples).max(initial=0)) < QUIET_PEAK


def _rising(frame: bytes) -> bytes:
    samples = np.frombuffer(frame, "<i2").copy()
    samples[:FADE_SAMPLES] = samples[:FADE_SAMPLES] * _RISE
    return samples.tobytes()


def _falling(piece: bytes, heard: bytes) -> bytes:
    """A whole frame that ends in silence: from what is left, or where that is too short, from the frame before."""
    samples = np.zeros(FRAME_SAMPLES, "<i2")
    if len(piece) >= _FADE_BYTES:
        count = len(piece) // BYTES_PER_SAMPLE
        samples[:count] = np.frombuffer(piece, "<i2")
        samples[count - FADE_SAMPLES : count] = samples[count - FADE_SAMPLES : count] * _FALL
    else:
        samples[:FADE_SAMPLES] = int.from_bytes(heard[-BYTES_PER_SAMPLE:], "little", signed=True) * _FALL
    return samples.tobytes()
