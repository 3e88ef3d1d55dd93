"""Where speech begins and ends in one session: frame by frame in, utterances out. Pure.

    silence --frame over ONSET--> candidate --3 voiced frames--> open --silence_samples of no voice--> ended
                                  candidate --256 ms of no voice--> silence (a click, a breath: no engine call)
                                  open --max_samples long--> ended at its quietest recent frame, and open again

An utterance begins up to 400 ms before its onset, so that a soft first sound is not lost, and ends 256 ms after its
last voiced frame, or where it was cut. Utterances never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.blocks import MS_SAMPLES

FRAME_SAMPLES = 512  # what silero takes at 16 kHz: 32 ms
PRE_ROLL_SAMPLES = 400 * MS_SAMPLES
TAIL_SAMPLES = 8 * FRAME_SAMPLES
CANDIDATE_SILENCE_SAMPLES = 8 * FRAME_SAMPLES
CONFIRMING_FRAMES = 3  # 96 ms: shorter than the shortest word, longer than a click
FORCED_FRAMES = 2  # at a forced end less proof is enough: the rest of the word will never come
ONSET = 0.5  # silero's own default threshold
STAY = 0.35  # and its hysteresis, 0.15 below
CUT_WITHIN_SAMPLES = 6 * 16_000  # how far back from the cap a quiet place is looked for


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech in samples of the track; ``voiced`` are the spans in it that held voice."""

    start_samples: int
    end_samples: int
    voiced: tuple[tuple[int, int], ...] = ()


class Utterances:
    """The gate of one session. Frames come in order and without holes; every answer depends on them alone.

    The first ``lead_samples`` come before ``start_samples``: utterances in them are told already.
    """

    def __init__(self, start_samples: int, *, silence_samples: int, max_samples: int, lead_samples: int = 0) -> None:
        self._silence_samples = silence_samples
        self._max_samples = max_samples
        self._floor_samples = start_samples  # the end of the last utterance: no later one begins before it
        self.listened_samples = start_samples - lead_samples
        self._start_samples: int | None = None  # of the candidate or open utterance
        self._confirmed = False
        self._speaking = False  # whether the last frame was voiced
        # Of the candidate or open utterance, from its onset: what every answer needs is kept up to date frame by frame.
        self._onset_samples = 0  # of the first frame in the lists
        self._levels: list[float] = []
        self._voiced: list[bool] = []
        self._voiced_count = 0
        self._spans: list[tuple[int, int]] = []

    @property
    def open_samples(self) -> int | None:
        """Where the open utterance begins; None when none is open or it is no more than a candidate."""
        return self._start_samples if self._confirmed else None

    @property
    def settled_samples(self) -> int:
        """Everything before is silence or in an utterance that ended. It never goes back."""
        if self._start_samples is not None:
            return self._start_samples
        return max(self._floor_samples, self.listened_samples - PRE_ROLL_SAMPLES)

    @property
    def speech_end_samples(self) -> int:
        """Where the open utterance would end if no more voice came; what lies behind is not worth an engine's time."""
        return min(self.listened_samples, self._spans[-1][1] + TAIL_SAMPLES) if self._spans else self._floor_samples

    @property
    def pausing(self) -> bool:
        """Whether the open utterance will end where it now seems to, if no more voice comes."""
        return self._confirmed and self._spans[-1][1] + TAIL_SAMPLES <= self.listened_samples

    @property
    def expected(self) -> Utterance | None:
        """The open utterance as it will be if no more voice comes; None while its end is not even near."""
        if not self.pausing or self._start_samples is None:
            return None
        return _utterance(self._start_samples, self.listened_samples, self._spans)

    def voiced_spans(self) -> tuple[tuple[int, int], ...]:
        """The spans of voice in the open utterance so far."""
        return tuple(self._spans)

    def feed(self, probability: float, level: float) -> Utterance | None:
        """Take the next frame: how likely it holds voice, and how loud it is (any monotone measure).

        Returns the utterance that ended with it, if one did.
        """
        self._speaking = probability >= (STAY if self._speaking else ONSET)
        return self._take(level, voiced=self._speaking)

    def _take(self, level: float, *, voiced: bool) -> Utterance | None:
        start_samples = self.listened_samples
        self.listened_samples += FRAME_SAMPLES
        if self._start_samples is None:
            if not voiced or self.listened_samples <= self._floor_samples:
                return None
            self._start_samples = max(self._floor_samples, start_samples - PRE_ROLL_SAMPLES)
            self._onset_samples = start_samples
        self._keep(max(self._floor_samples, start_samples), level, voiced=voiced)
        return self._judge(self._start_samples)

    def _keep(self, start_samples: int, level: float, *, voiced: bool) -> None:
        self._levels.append(level)
        self._voiced.append(voiced)
        if not voiced:
            return
        self._voiced_count += 1
        if self._spans and self._spans[-1][1] == start_samples:
            self._spans[-1] = (self._spans[-1][0], self.listened_samples)
        else:
            self._spans.append((start_samples, self.listened_samples))

    def finalize(self, position_samples: int) -> Utterance | None:
        """End whatever is open at ``position_samples``, which is at most one frame after the last; go on after it."""
        start_samples, spans, enough = self._start_samples, self._spans, self._voiced_count >= FORCED_FRAMES
        self._begin_anew(position_samples)
        return None if start_samples is None or not enough else _utterance(start_samples, position_samples, spans)

    def _judge(self, start_samples: int) -> Utterance | None:
        silent_samples = self.listened_samples - self._spans[-1][1]
        if not self._confirmed:
            self._confirmed = self._voiced_count >= CONFIRMING_FRAMES
        if not self._confirmed:
            if silent_samples >= CANDIDATE_SILENCE_SAMPLES:
                self._begin_anew(self._floor_samples)
            return None
        if silent_samples >= self._silence_samples:
            ended = _utterance(start_samples, self.listened_samples, self._spans)
            self._begin_anew(ended.end_samples)
            return ended
        if self.listened_samples + FRAME_SAMPLES - start_samples > self._max_samples:
            return self._cut(start_samples)
        return None

    def _cut(self, start_samples: int) -> Utterance:
        """End the utterance in the middle of its quietest recent frame and open the next one there."""
        oldest = max(start_samples + self._max_samples // 2, self.listened_samples - CUT_WITHIN_SAMPLES)
        first = max(0, -((self._onset_samples - oldest) // FRAME_SAMPLES))
        levels = self._levels
        # Of equally quiet frames the last; a frame's neighbours count, so that no stop consonant passes for a pause.
        quietest = min(range(first, len(levels)), key=lambda i: (_level_around(levels, i), -i))
        quietest_samples = self._onset_samples + quietest * FRAME_SAMPLES
        cut_samples = quietest_samples + FRAME_SAMPLES // 2
        ended = Utterance(start_samples, cut_samples, _clipped(self._spans, cut_samples))
        again = list(zip(levels, self._voiced, strict=True))[quietest:]
        self._begin_anew(cut_samples)
        # As whoever goes on from here would hear it. It ends nothing: it would have ended what was open before.
        self.listened_samples = quietest_samples
        for level, voiced in again:
            self._take(level, voiced=voiced)
        return ended

    def _begin_anew(self, floor_samples: int) -> None:
        self._floor_samples = floor_samples
        self._start_samples = None
        self._confirmed = False
        self._levels, self._voiced, self._voiced_count, self._spans = [], [], 0, []


def _level_around(levels: list[float], i: int) -> float:
    near = levels[max(0, i - 1) : i + 2]
    return sum(near) / len(near)


def _clipped(spans: list[tuple[int, int]], end_samples: int) -> tuple[tuple[int, int], ...]:
    return tuple((start, min(end, end_samples)) for start, end in spans if start < end_samples)


def _utterance(start_samples: int, limit_samples: int, spans: list[tuple[int, int]]) -> Utterance:
    end_samples = min(limit_samples, spans[-1][1] + TAIL_SAMPLES)
    return Utterance(start_samples, end_samples, _clipped(spans, end_samples))
