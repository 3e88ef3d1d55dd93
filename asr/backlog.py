"""The sound of one session that the recogniser may still need. Pure: blocks in, blocks out, no clock, no task.

Positions are samples of the track and stand in this order: ``settled <= sent <= fed``. Everything before ``settled``
is through for good; ``rewind`` goes back to it, and everything after it is given out again, behind a lead of some
seconds before it (``asr.renewal``): only there ``sent < settled``. Live speech, files, catching up and the replay after
a crash are all this one mechanism.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from asr.renewal import lead_start
from asr.utterances import PRE_ROLL_SAMPLES
from protocol.blocks import SAMPLE_RATE_HZ, Block, silence

PIECE_SAMPLES = SAMPLE_RATE_HZ  # at most 1 s (32 kB) goes out at once, so that sessions take turns
MEMORY_SAMPLES = 120 * SAMPLE_RATE_HZ  # 3.8 MB per session; what is older is read back from the recording
READ_BACK_SAMPLES = 10 * SAMPLE_RATE_HZ  # at once from the recording, which has to find the place each time
WINDOW_SAMPLES = 60 * SAMPLE_RATE_HZ  # far above the longest utterance (28 s), or nothing could settle
LONG_HOLE_SAMPLES = 30 * SAMPLE_RATE_HZ  # a pause; its silence is not worth listening to


@dataclass(frozen=True, slots=True)
class Missing:
    """This sound is no longer in memory: read it back, then tell ``Backlog.sent_elsewhere``.

    ``is_lead``: its words are told already, and without it no word is lost.
    """

    start_samples: int
    end_samples: int
    is_lead: bool = False


class Backlog:
    """Sound fed and not yet settled. Memory is bounded by ``memory_samples``: the oldest is let go first.

    Sound from ``start_samples`` up to ``recorded_samples`` counts as fed and is only in the recording.
    """

    def __init__(
        self,
        start_samples: int,
        *,
        recorded_samples: int | None = None,
        memory_samples: int = MEMORY_SAMPLES,
        window_samples: int = WINDOW_SAMPLES,
    ) -> None:
        self._memory_samples = memory_samples
        self._window_samples = window_samples
        self.settled_samples = start_samples
        self.sent_samples = lead_start(start_samples)
        self.fed_samples = max(start_samples, recorded_samples or 0)
        self._held_from_samples = self.fed_samples
        # Blocks of at most a piece each. Between two of them there may be a hole, which is silence.
        self._sent: deque[Block] = deque()
        self._unsent: deque[Block] = deque()
        self._held_samples = 0
        self._left_out_samples = (0, 0)  # start, end

    @property
    def lead_samples(self) -> int:
        """How far before ``settled_samples`` is begun after a ``rewind``."""
        return self.settled_samples - lead_start(self.settled_samples)

    @property
    def held_samples(self) -> int:
        """Samples in memory."""
        return self._held_samples

    def feed(self, block: Block) -> None:
        """Take in the next sound. What overlaps earlier sound is cut off; a hole before it is silence."""
        rest = block.after(self.fed_samples)
        while rest is not None and rest.length_samples:
            piece = Block(rest.start_samples, rest.pcm[: PIECE_SAMPLES * 2])
            self._unsent.append(piece)
            self._held_samples += piece.length_samples
            self.fed_samples = piece.end_samples
            rest = rest.after(piece.end_samples)
        while self._held_samples > self._memory_samples:
            self._let_go()

    def _let_go(self) -> None:
        gone = self._sent.popleft() if self._sent else self._unsent.popleft()
        self._held_samples -= gone.length_samples
        self._held_from_samples = gone.end_samples

    def take(self, until_samples: int) -> Block | Missing | None:
        """The next piece to send, ending at or before ``until_samples``; None when there is nothing to send now."""
        at = self.sent_samples
        is_lead = at < self.settled_samples
        if is_lead:
            until_samples = self.settled_samples
        stop = min(until_samples, self.fed_samples, self.settled_samples + self._window_samples)
        if at >= stop:
            return None
        if at < self._held_from_samples:
            return Missing(at, min(stop, self._held_from_samples, at + READ_BACK_SAMPLES), is_lead)
        stop = min(stop, at + PIECE_SAMPLES)
        piece = self._joined(stop) if self._unsent[0].start_samples <= at else None
        if piece is None:
            piece = silence(at, min(stop, self._unsent[0].start_samples))
        self.sent_samples = piece.end_samples
        return piece

    def _joined(self, stop_samples: int) -> Block:
        """What is in memory from the sent position up to ``stop_samples`` or the next hole."""
        at = position = self.sent_samples
        parts: list[bytes] = []
        while self._unsent and self._unsent[0].start_samples <= position < stop_samples:
            block = self._unsent[0]
            end = min(block.end_samples, stop_samples)
            parts.append(block.pcm[(position - block.start_samples) * 2 : (end - block.start_samples) * 2])
            position = end
            if end < block.end_samples:
                break
            self._sent.append(self._unsent.popleft())
        return Block(at, b"".join(parts))

    def sent_elsewhere(self, end_samples: int) -> None:
        """The sound up to ``end_samples`` was read back and sent."""
        self.sent_samples = max(self.sent_samples, min(end_samples, self._held_from_samples))

    def settle(self, samples: int) -> bool:
        """Everything before ``samples`` is through: forget it. False when that was known already."""
        samples = min(samples, self.sent_samples)
        if samples <= self.settled_samples:
            return False
        self.settled_samples = samples
        self._forget(lead_start(samples))
        return True

    def _forget(self, samples: int) -> None:
        while self._sent and self._sent[0].end_samples <= samples:
            gone = self._sent.popleft()
            self._held_samples -= gone.length_samples
            self._held_from_samples = max(self._held_from_samples, gone.end_samples)

    @property
    def after_long_hole_samples(self) -> int | None:
        """Where to go on if what comes next is a long hole."""
        if not self._unsent or self.sent_samples < self._held_from_samples:
            return None
        sound_samples = self._unsent[0].start_samples
        return sound_samples - PRE_ROLL_SAMPLES if sound_samples - self.sent_samples > LONG_HOLE_SAMPLES else None

    def jump(self, samples: int) -> None:
        """Leave out the silence up to ``samples``. Everything sent before must be through."""
        self._forget(self.sent_samples)
        self.settled_samples = samples
        self.sent_samples = self._held_from_samples = lead_start(samples)  # in the hole, which is longer

    def leave_out(self, end_samples: int) -> None:
        """What is before, down to the beginning of the lead, is too much for whoever listens: never again."""
        start_samples, end_before_samples = self._left_out_samples
        lead_start_samples = lead_start(self.settled_samples)
        if end_before_samples <= lead_start_samples:
            start_samples, end_before_samples = lead_start_samples, end_samples
        self._left_out_samples = start_samples, max(end_before_samples, end_samples)

    def bearable(self, block: Block) -> Block:
        """``block`` with silence for what is left out."""
        start, end = (min(max(0, at - block.start_samples), block.length_samples) for at in self._left_out_samples)
        if start == end:
            return block
        return Block(block.start_samples, block.pcm[: 2 * start] + bytes(2 * (end - start)) + block.pcm[2 * end :])

    def rewind(self) -> None:
        """Whoever listened is gone: everything after ``settled_samples`` is to be sent again."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self.sent_samples = lead_start(self.settled_samples)
