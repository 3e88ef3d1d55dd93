"""Where the pieces of one participant's sound belong: each says when it was, and a muted microphone sends none.

A piece that begins where the one before ended, or nearly, goes on there, because the clocks of senders jitter; one that
begins later leaves a pause. Pieces that change places are put in order again, and what is told twice is left out. Sound
that comes too late for its place, or by a clock that was set back, is heard where it comes: nothing is lost.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator

import numpy as np

from media.resample import Resampler, resampled_length_samples
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block
from protocol.errors import AudioFormatError

# A pause may hide that pieces changed places: what comes after it waits for so much more sound.
HELD_SAMPLES = SAMPLE_RATE_HZ * 3 // 10
LATE_SAMPLES = 2 * SAMPLE_RATE_HZ  # what comes later than this comes by a clock that was set back
AHEAD_SAMPLES = 5 * SAMPLE_RATE_HZ  # sound that is so much longer than its times say is at another rate
REPLAYED_SAMPLES = 30 * SAMPLE_RATE_HZ  # what a sender may tell again after it came back
FUTURE_SAMPLES = 60 * SAMPLE_RATE_HZ  # what is later than now by more than this comes by a clock that was set forward
REPEATS = 64  # pieces by which one that comes again is known

_Piece = tuple[int, int, bytes]  # where it begins, the number by which equals keep their order, the sound


class MeetingSound:
    """Takes pieces of s16le mono at ``rate_hz``; gives blocks in order, with holes where there was a pause.

    ``tolerance_samples``: by so much the times of pieces that belong together may be off. ``length_samples``: where
    the track goes on, after a connection was lost.
    """

    def __init__(self, rate_hz: int, *, tolerance_samples: int, length_samples: int = 0) -> None:
        self._rate_hz = rate_hz
        self._tolerance_samples = tolerance_samples
        self._resampler = Resampler(rate_hz)
        self._run_start_samples = length_samples  # since the latest pause
        self._run_taken = 0  # at ``rate_hz``
        self._given_samples = length_samples
        self._told_samples = length_samples  # when the newest piece said that it begins, by its own clock
        self._since_samples = length_samples
        self._shift_samples = 0  # from that clock to the track
        self._held: list[_Piece] = []
        self._taken = 0
        self._known: dict[tuple[int, int, int], None] = {}  # the newest last
        self.repeated = 0  # pieces that were left out

    @property
    def end_samples(self) -> int:
        """Where the next piece goes on."""
        return self._run_start_samples + resampled_length_samples(self._run_taken, self._rate_hz)

    def arrived(self, pcm: bytes, now_samples: int) -> list[Block]:
        """One piece that tells no time: it ends about now, or goes on where the one before ended."""
        end_samples = max(self.end_samples, self._held_end_samples())
        start_samples = now_samples - self._length_samples(pcm)
        is_pause = start_samples > end_samples + self._tolerance_samples
        return self.feed(start_samples if is_pause else end_samples, pcm)

    def feed(self, start_samples: int, pcm: bytes, *, now_samples: int | None = None) -> list[Block]:
        """One piece, and where it says that it begins; whole samples. ``now_samples``: where the track is by our clock.

        Raises ``AudioFormatError``, and takes nothing, where there is much more sound than time.
        """
        start_samples, pcm = self._new_of(start_samples, pcm)
        known = start_samples, len(pcm), zlib.crc32(pcm)
        if not pcm or known in self._known:
            self.repeated += bool(pcm)
            return []
        place_samples = self._placed(start_samples, now_samples)
        self._known[known] = None
        if len(self._known) > REPEATS:
            del self._known[next(iter(self._known))]
        self._taken += 1
        heapq.heappush(self._held, (place_samples, self._taken, pcm))
        return list(self._due())

    def flush(self) -> list[Block]:
        """Everything that is still inside: nothing more comes for a while. More may be fed afterwards."""
        blocks = list(self._due(wait=False))
        return [*blocks, *self._pause(self.end_samples)]

    def _new_of(self, start_samples: int, pcm: bytes) -> tuple[int, bytes]:
        """Without what the track had before a connection was lost."""
        old_samples = self._since_samples - start_samples
        if not 0 < old_samples <= REPLAYED_SAMPLES:
            return start_samples, pcm
        self.repeated += 1
        rest = pcm[-(-old_samples * self._rate_hz // SAMPLE_RATE_HZ) * BYTES_PER_SAMPLE :]
        return self._since_samples, rest

    def _placed(self, start_samples: int, now_samples: int | None) -> int:
        end_samples = max(self.end_samples, self._held_end_samples())
        future_samples = None if now_samples is None else max(now_samples, end_samples) + FUTURE_SAMPLES
        goes_on = start_samples >= self._told_samples
        self._told_samples = start_samples
        place_samples = start_samples + self._shift_samples
        is_plain = start_samples >= end_samples - LATE_SAMPLES
        if self._shift_samples and is_plain and (future_samples is None or start_samples <= future_samples):
            self._shift_samples, place_samples = 0, start_samples  # the clock is right again
        if future_samples is not None and place_samples > future_samples:
            self._shift_samples = max(now_samples or 0, end_samples) - start_samples
        elif place_samples < end_samples - LATE_SAMPLES and not goes_on:
            self._shift_samples = end_samples - start_samples
        elif place_samples < end_samples - AHEAD_SAMPLES:
            ahead_s = (end_samples - place_samples) / SAMPLE_RATE_HZ
            raise AudioFormatError(
                "there is more sound than time: is it at the sample rate that was told?",
                details={"sample_rate": self._rate_hz, "ahead_s": round(ahead_s, 1)},
            )
        return start_samples + self._shift_samples

    def _held_end_samples(self) -> int:
        return max((self._end_of(piece) for piece in self._held), default=0)

    def _end_of(self, piece: _Piece) -> int:
        return piece[0] + self._length_samples(piece[2])

    def _length_samples(self, pcm: bytes) -> int:
        return resampled_length_samples(len(pcm) // BYTES_PER_SAMPLE, self._rate_hz)

    def _due(self, *, wait: bool = True) -> Iterator[Block]:
        while self._held:
            place_samples, _, pcm = self._held[0]
            is_pause = place_samples > self.end_samples + self._tolerance_samples
            if is_pause and wait and self._held_end_samples() - place_samples < HELD_SAMPLES:
                return
            heapq.heappop(self._held)
            if is_pause:
                yield from self._pause(place_samples)
            yield from self._given(self._resampled(pcm))

    def _pause(self, until_samples: int) -> Iterator[Block]:
        yield from self._given(self._resampler.flush())
        self._resampler = Resampler(self._rate_hz)
        self._run_start_samples = self._given_samples = until_samples
        self._run_taken = 0

    def _resampled(self, pcm: bytes) -> bytes:
        self._run_taken += len(pcm) // BYTES_PER_SAMPLE
        if self._rate_hz == SAMPLE_RATE_HZ:
            return pcm
        return self._resampler.feed(np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(1 << 15))

    def _given(self, pcm: bytes) -> Iterator[Block]:
        if pcm:
            yield Block(self._given_samples, pcm)
            self._given_samples += len(pcm) // BYTES_PER_SAMPLE
