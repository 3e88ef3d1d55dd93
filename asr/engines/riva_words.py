"""What Riva is asked of an utterance, and the words in what it answers. Its messages are of ``riva.client.proto``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from riva.client.proto import riva_asr_pb2, riva_audio_pb2

from asr.contract import SessionOptions
from asr.guards import fold
from asr.worker_settings import WorkerSettings
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.words import Word

ANY_LANGUAGE = "auto"
MULTILINGUAL = "multi"  # what Riva calls the language of models that find it out themselves
HOTWORDS_MAX = 100
# Riva wants a region with a language; where the most spoken is not that of the same letters.
_REGIONS = {
    "ar": "AR",
    "cs": "CZ",
    "da": "DK",
    "el": "GR",
    "en": "US",
    "he": "IL",
    "hi": "IN",
    "ja": "JP",
    "ko": "KR",
    "nb": "NO",
    "pt": "BR",
    "sv": "SE",
    "uk": "UA",
    "vi": "VN",
    "zh": "CN",
}
_CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def language_code(asked: str, served: Sequence[str]) -> str:
    """The code under which Riva knows a language such as ``de``; ``auto`` is what finds it out, if that is served.

    ``served``: the codes that its models list; empty where nobody knows.
    """
    codes = {code.lower(): code for code in served}
    if asked == ANY_LANGUAGE:
        return codes.get(MULTILINGUAL, served[0] if served else MULTILINGUAL)
    base = asked.split("-")[0].lower()
    likely = f"{base}-{_REGIONS.get(base, base.upper())}"
    of_base = [code for code in served if code.split("-")[0].lower() == base]
    for code in (asked, likely if asked.lower() == base else ""):
        if code.lower() in codes:
            return codes[code.lower()]
    if of_base:
        return of_base[0]
    return codes.get(MULTILINGUAL, likely if asked.lower() == base else asked)


def streaming_config(
    options: SessionOptions, settings: WorkerSettings, served: Sequence[str]
) -> riva_asr_pb2.StreamingRecognitionConfig:
    """The first message of a stream. Sound is 16 kHz mono s16."""
    asked = options.language or settings.language
    config = riva_asr_pb2.RecognitionConfig(
        encoding=riva_audio_pb2.LINEAR_PCM,
        sample_rate_hertz=SAMPLE_RATE_HZ,
        audio_channel_count=1,
        language_code=language_code(asked if _CODE.fullmatch(asked) else settings.language, served),
        model=settings.riva_model,
        max_alternatives=1,
        enable_word_time_offsets=True,
        enable_automatic_punctuation=True,
    )
    hotwords = [phrase for phrase in options.hotwords if phrase.strip()][:HOTWORDS_MAX]
    if hotwords:
        config.speech_contexts.add(phrases=hotwords, boost=settings.riva_hotword_boost)
    if options.diarize and settings.riva_diarization:
        most = options.speakers_expected or options.max_speakers
        config.diarization_config.enable_speaker_diarization = True
        if most is not None:
            config.diarization_config.max_speaker_count = most
    return riva_asr_pb2.StreamingRecognitionConfig(
        config=config, interim_results=options.interim and options.lane == "live"
    )


class HeardWords:
    """The words of one stream: finals stay, and what is not final gives way to the next answer.

    ``start_samples``: of the stream's sound in the track, from which Riva counts its milliseconds.
    """

    def __init__(self, start_samples: int) -> None:
        self._start_samples = start_samples
        self._final: list[tuple[Word, int]] = []
        self._tentative: list[tuple[Word, int]] = []
        self.language: str | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for word, _ in (*self._final, *self._tentative))

    @property
    def tags(self) -> tuple[int, ...]:
        """Of each word, of whom Riva says it is; empty where it told nothing of that."""
        tags = tuple(tag for _, tag in (*self._final, *self._tentative))
        return tags if any(tags) else ()

    def take(self, response: riva_asr_pb2.StreamingRecognizeResponse, sent_samples: int) -> None:
        """``sent_samples``: of the stream, by now; no word lies behind them."""
        self._tentative = []
        for result in response.results:
            if not result.alternatives:
                continue
            best = result.alternatives[0]
            words = self._words(best, self._start_samples + sent_samples)
            if result.is_final:
                self._final += words
            else:
                self._tentative += words
            if best.language_code:
                self.language = best.language_code[0].split("-")[0].lower() or self.language

    def _words(self, heard: riva_asr_pb2.SpeechRecognitionAlternative, end_samples: int) -> list[tuple[Word, int]]:
        """Each with the tag of its speaker."""
        before = self.words[-1].end_samples if self.words else self._start_samples
        if not heard.words:
            return [(word, 0) for word in _spread(heard.transcript.split(), before, end_samples)]
        words = []
        for info, text in zip(heard.words, _texts(heard), strict=True):
            start = min(max(self._start_samples + info.start_time * MS_SAMPLES, before), end_samples)
            end = min(max(self._start_samples + info.end_time * MS_SAMPLES, start), end_samples)
            before = end
            if text:
                sure = _confidence(info.confidence or heard.confidence)
                word = Word(text=text, start_samples=start, end_samples=end, confidence=sure)
                words.append((word, info.speaker_tag))
        return words


def served_languages(response: riva_asr_pb2.RivaSpeechRecognitionConfigResponse, model: str) -> tuple[str, ...]:
    """The codes of the models that stream (of ``model`` alone, if one is named), each once, in their order."""
    codes: list[str] = []
    for config in response.model_config:
        parameters: Mapping[str, str] = config.parameters
        streams = parameters.get("type", "online") == "online" and parameters.get("streaming", "True") == "True"
        if streams and model in ("", config.model_name):
            codes += [code.strip() for code in parameters.get("language_code", "").split(",") if code.strip()]
    return tuple(dict.fromkeys(codes))


def _texts(heard: riva_asr_pb2.SpeechRecognitionAlternative) -> list[str]:
    """The words as the transcript writes them, with case and punctuation, where it is of the same words."""
    texts = [info.word.strip() for info in heard.words]
    written: list[str] = heard.transcript.split()
    if len(written) == len(texts) and all(
        _folded(one) == _folded(other) for one, other in zip(written, texts, strict=True)
    ):
        return written
    return texts


def _folded(text: str) -> str:
    return fold(Word(text=text, start_samples=0, end_samples=0))


def _confidence(told: float) -> float:
    """Riva means by 0 that it says nothing; what is below is no share."""
    return min(1.0, told) if told > 0.0 else 1.0


def _spread(texts: Sequence[str], start_samples: int, end_samples: int) -> list[Word]:
    """Words without times, evenly over the sound in which they must be."""
    ends = (
        [start_samples + (end_samples - start_samples) * at // len(texts) for at in range(len(texts) + 1)]
        if texts
        else []
    )
    return [
        Word(text=text, start_samples=start, end_samples=end)
        for text, start, end in zip(texts, ends, ends[1:], strict=False)
    ]
