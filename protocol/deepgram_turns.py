"""Deepgram's live results of one channel: what is told when, as words come and time goes on. Pure."""

from __future__ import annotations

from protocol.blocks import MS_SAMPLES, seconds
from protocol.deepgram import ListenOptions
from protocol.deepgram_results import NOTHING, Json, Wording, alternative, results
from protocol.words import Segment


class Turns:
    """Segments in, messages out.

    ``silence_ms``: the pause after which the recogniser itself ends an utterance; a shorter ``endpointing`` is no
    sooner. A final that comes while a ``Finalize`` is worked on waits for the next one, so that the last of them, and
    it alone, says ``from_finalize``.
    """

    def __init__(self, options: ListenOptions, *, channel: int, channels: int, metadata: Json, silence_ms: int) -> None:
        self._options = options
        self._wording = Wording(punctuate=options.punctuate, diarize=options.diarize)
        self._channel, self._channels = channel, channels
        self._metadata = metadata
        self._silence_ms = silence_ms
        self._open: set[str] = set()  # segments that are being said: the next one may begin before the last is final
        self._told_samples = 0  # where the last final ended
        self._word_end_samples: int | None = None  # of the last word, until its UtteranceEnd is told
        self._pause_from_samples: int | None = None  # the end of speech whose speech_final is not told yet
        self._finalizing = 0
        self._held: Segment | None = None

    def interim(self, segment: Segment) -> list[Json]:
        if not segment.text:  # taken back
            self._open.discard(segment.segment_id)
            return []
        told = self._began(segment)
        if self._options.interim_results:
            told.append(self._results(segment, is_final=False))
        return told

    def final(self, segment: Segment) -> list[Json]:
        told = self._began(segment) if segment.text else []
        self._open.discard(segment.segment_id)
        if not segment.text:
            return []
        if self._finalizing:
            told += self._release(from_finalize=False)
            self._held = segment
            return told
        return [*told, self._final(segment)]

    def heard(self, settled_samples: int) -> list[Json]:
        """All before is heard, and told: what of pauses is due."""
        told: list[Json] = []
        if self._open or self._held is not None:
            return told
        pause_from, word_end = self._pause_from_samples, self._word_end_samples
        if pause_from is not None and _is_over(pause_from, self._options.endpointing_ms, settled_samples):
            self._pause_from_samples = None
            told.append(self._nothing(settled_samples, speech_final=True))
        if word_end is not None and _is_over(word_end, self._options.utterance_end_ms, settled_samples):
            self._word_end_samples = None
            channel = [self._channel, self._channels]
            told.append({"type": "UtteranceEnd", "channel": channel, "last_word_end": round(seconds(word_end), 3)})
        return told

    def finalizing(self) -> None:
        self._finalizing += 1

    def finalized(self, length_samples: int) -> list[Json]:
        """Everything that came is told by now: the last of it, or nothing at all, says that it is of a ``Finalize``."""
        self._finalizing -= 1
        told = self._release(from_finalize=True)
        return told or [self._nothing(length_samples, speech_final=True, from_finalize=True)]

    def ended(self) -> list[Json]:
        """Nothing more comes."""
        return self._release(from_finalize=False)

    def _release(self, *, from_finalize: bool) -> list[Json]:
        held, self._held = self._held, None
        return [] if held is None else [self._final(held, from_finalize=from_finalize)]

    def _began(self, segment: Segment) -> list[Json]:
        if segment.segment_id in self._open:
            return []
        due = self.heard(segment.start_samples)  # a pause that this one ends
        self._open.add(segment.segment_id)
        return [*due, *self._speech_started(segment)]

    def _speech_started(self, segment: Segment) -> list[Json]:
        self._pause_from_samples = None
        if not self._options.vad_events:
            return []
        channel = [self._channel, self._channels]
        return [{"type": "SpeechStarted", "channel": channel, "timestamp": round(seconds(segment.start_samples), 3)}]

    def _final(self, segment: Segment, *, from_finalize: bool = False) -> Json:
        endpointing_ms = self._options.endpointing_ms
        is_pause = from_finalize or (endpointing_ms is not None and endpointing_ms <= self._silence_ms)
        self._told_samples = max(self._told_samples, segment.end_samples)
        self._pause_from_samples = None if is_pause else segment.end_samples
        self._word_end_samples = segment.words[-1].end_samples if segment.words else segment.end_samples
        return self._results(segment, is_final=True, speech_final=is_pause, from_finalize=from_finalize)

    def _results(
        self, segment: Segment, *, is_final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> Json:
        return results(
            channel=self._channel,
            channels=self._channels,
            start_samples=segment.start_samples,
            end_samples=segment.end_samples,
            alternative=alternative(segment, self._wording),
            metadata=self._metadata,
            is_final=is_final,
            speech_final=speech_final,
            from_finalize=from_finalize,
        )

    def _nothing(self, end_samples: int, *, speech_final: bool, from_finalize: bool = False) -> Json:
        start_samples, self._told_samples = self._told_samples, max(self._told_samples, end_samples)
        return results(
            channel=self._channel,
            channels=self._channels,
            start_samples=start_samples,
            end_samples=end_samples,
            alternative=dict(NOTHING),
            metadata=self._metadata,
            is_final=True,
            speech_final=speech_final,
            from_finalize=from_finalize,
        )


def _is_over(since_samples: int, silence_ms: int | None, now_samples: int) -> bool:
    return silence_ms is not None and now_samples >= since_samples + silence_ms * MS_SAMPLES
