"""The recogniser that is always there: pocketsphinx with the English model of its wheel.

Interims come from a decoder that is advanced by what is new. The final comes from another one that hears the whole
utterance at once: its mean normalisation then sees all of the sound, which gives back the accuracy that streaming loses
(0.625 to 0.616 word errors on five LibriSpeech test-other chapters), and its words depend on nothing but the utterance.

The library holds Python's lock while it works, so that threads gain nothing: there is one process per core. Its
decoders share one language model, which is half of their memory; acoustic model and dictionary cannot be shared. A
final is one call that cannot be parted, because its mean is that of the whole sound. It takes 0.1 to 0.4 of the sound's
length and keeps the sessions of its own process waiting, so utterances are cut (see ``_UTTERANCE_MAX_S``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pocketsphinx import Config, Decoder, LogMath, NGramModel

from asr.contract import EngineInfo, Samples, SessionOptions, Step
from asr.machine import one_per_core
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word

# Utterances that get interims at once; each decoder takes about 40 MB and 0.1 to 0.3 of a core in real time.
LIVE_DECODERS_MAX = 8
# A final of 7 s takes about one second of a full core; one of 20 s took five to eight. Cut at 7 s instead of 20 s, at
# the quietest place, as many words are wrong (649 and 649 of 1353, read aloud with few pauses; 652 at 9 s).
_UTTERANCE_MAX_S = 7.0
_PROCESS_BYTES = 400 << 20  # with some of them, the library and voice activity
# Fewer hypotheses per frame than the default of 30000 take 40 % less time and cost no accuracy (0.566 against 0.574
# word errors on LibriSpeech test-other); interims make do with fewer still. What else would save time in finals costs
# accuracy there (0.598 word errors on 50 utterances): 2000 hypotheses 20 % for 0.620, no second pass 29 % for 0.612,
# two Gaussians instead of four 11 % for 0.612.
_FINAL = {"maxhmmpf": 3000}
_LIVE = {"maxhmmpf": 1500, "fwdflat": False, "bestpath": False}
_SEARCH = "shared"
_FRAME_SAMPLES = SAMPLE_RATE_HZ // 100
_VARIANT = re.compile(r"\(\d+\)$")  # "began(2)": another pronunciation of the same word


@dataclass(slots=True)
class _Stream:
    interim: bool
    start_samples: int = -1
    sound: list[Samples] = field(default_factory=list)
    decoder: Decoder | None = None  # lent to this utterance; catches up when it comes late
    decoded: int = 0  # how many pieces of sound the decoder has


class SphinxEngine:
    """English, lower case, no punctuation. Raises ``EngineFailed`` when the model cannot be loaded."""

    def __init__(self) -> None:
        self._language = _language_model()
        self._final = _decoder(_FINAL, self._language)
        self._idle: list[Decoder] = [_decoder(_LIVE, self._language)]
        self._lent = 0

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            name="pocketsphinx",
            model="embedded-en",
            languages=("en",),
            note="works at once; modest accuracy",
            workers_max=workers_max(),
            utterance_max_s=_UTTERANCE_MAX_S,
        )

    @property
    def batch_max(self) -> int:
        return 1

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return {}

    def open(self, options: SessionOptions) -> _Stream:
        return _Stream(interim=options.interim and options.lane == "live")

    def close(self, stream: _Stream) -> None:
        stream.sound.clear()
        self._take_back(stream)

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        return [self._step(step) for step in steps]

    def _step(self, step: Step) -> Hypothesis:
        stream: _Stream = step.stream
        if stream.start_samples < 0:
            stream.start_samples = step.start_samples
        stream.sound.append(step.samples)
        if step.flush:
            self._take_back(stream)
            return Hypothesis(committed=self._whole(stream), language="en")
        return Hypothesis(tentative=self._so_far(stream), language="en")

    def _whole(self, stream: _Stream) -> tuple[Word, ...]:
        sound = np.concatenate(stream.sound)
        if len(sound) < 2 * _FRAME_SAMPLES:  # no frame: nothing to hear, and the decoder would complain
            return ()
        # Its noise tracker and mean outlive an utterance: without this, words would depend on who spoke before.
        self._final.reinit_feat()
        self._final.start_utt()
        self._final.process_raw(sound.tobytes(), full_utt=True)
        self._final.end_utt()
        return _words(self._final, stream)

    def _so_far(self, stream: _Stream) -> tuple[Word, ...]:
        if not stream.interim or not self._lend(stream):
            return ()
        assert stream.decoder is not None
        sound = np.concatenate(stream.sound[stream.decoded :])
        stream.decoded = len(stream.sound)
        stream.decoder.process_raw(sound.tobytes())
        return _words(stream.decoder, stream)

    def _lend(self, stream: _Stream) -> bool:
        if stream.decoder is not None:
            return True
        if not self._idle:
            if self._lent >= LIVE_DECODERS_MAX:
                return False  # no interims for this utterance until another one ends; its final is not touched
            self._idle.append(_decoder(_LIVE, self._language))
        stream.decoder = self._idle.pop()
        self._lent += 1
        stream.decoder.reinit_feat()
        stream.decoder.start_utt()
        return True

    def _take_back(self, stream: _Stream) -> None:
        if stream.decoder is not None:
            decoder, stream.decoder = stream.decoder, None
            self._lent -= 1  # one that failed does not come back: its place is for another
            decoder.end_utt()
            self._idle.append(decoder)


def workers_max() -> int:
    """One per core, as far as memory goes."""
    return one_per_core(_PROCESS_BYTES)


def _language_model() -> NGramModel:
    """To be shared by decoders. One taken out of a decoder has its weights applied already, and hears other words."""
    try:
        config = Config(loglevel="FATAL")
        return NGramModel(config, LogMath(config["logbase"]), config["lm"])
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineFailed(f"pocketsphinx cannot load its language model: {error}") from error


def _decoder(options: Mapping[str, object], language: NGramModel) -> Decoder:
    try:
        decoder = Decoder(loglevel="FATAL", lm=None, **options)
        decoder.add_lm(_SEARCH, language)
        decoder.activate_search(_SEARCH)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise EngineFailed(f"pocketsphinx cannot load its model: {error}") from error
    return decoder


def _words(decoder: Decoder, stream: _Stream) -> tuple[Word, ...]:
    """What the decoder has in its utterance now, without silences and noises."""
    if decoder.hyp() is None:
        return ()
    words = []
    length = sum(len(piece) for piece in stream.sound)
    for segment in decoder.seg():
        if segment.word.startswith(("<", "[", "+")):
            continue
        start, end = segment.start_frame * _FRAME_SAMPLES, (segment.end_frame + 1) * _FRAME_SAMPLES
        words.append(
            Word(
                text=_VARIANT.sub("", segment.word),
                start_samples=stream.start_samples + min(start, length),
                end_samples=stream.start_samples + min(end, length),
                confidence=min(1.0, max(0.0, float(segment.prob))),
            )
        )
    return tuple(words)
