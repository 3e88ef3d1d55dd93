"""Deepgram's ``/v1/listen``: what a client asks for in the query and in control messages. Pure.

What cannot be done and would be missed (``REFUSED``) is refused; what only changes how words are made is ignored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.errors import BadInput, InvalidMessage
from protocol.wire.json_object import json_object
from protocol.wire.stream import Encoding

MAX_CONTROL_BYTES = 4096
HOTWORDS_MAX, HOTWORD_MAX_CHARS = 100, 100
CHANNELS_MAX = 8
RATE_MIN_HZ, RATE_MAX_HZ = 8_000, 48_000
ENDPOINTING_MS = 10  # the original's default
SILENCE_MAX_MS = 60_000
PAUSE_MIN_MS = 200  # a shorter one would cut words from their sentence

_ENCODINGS = {
    "linear16": Encoding.PCM_S16LE,
    "linear32": Encoding.PCM_S32LE,
    "mulaw": Encoding.MULAW,
    "alaw": Encoding.ALAW,
    "opus": Encoding.OPUS,
    "ogg-opus": Encoding.CONTAINER,
    "flac": Encoding.CONTAINER,
}
_RATES_HZ = {Encoding.MULAW: 8_000, Encoding.ALAW: 8_000, Encoding.OPUS: 48_000}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")

# Each means one thing. Terms, tags and languages to detect may be several.
_GIVEN_ONCE = frozenset(
    {"encoding", "sample_rate", "channels", "multichannel", "interim_results", "endpointing", "utterance_end_ms"}
    | {"vad_events", "punctuate", "smart_format", "diarize", "diarize_model", "utterances", "language"}
    | {"model", "version"}
)

# Whoever asks for these counts on something that would be missing from the answer, or still be in it.
REFUSED = {
    "callback": "results are answered, not called back",
    "redact": "nothing is redacted here",
    "profanity_filter": "no word is filtered here",
    "replace": "no word is replaced here",
    "search": "nothing is searched here",
    "summarize": "there are no summaries here: ask for one at /v1/transcripts",
    "sentiment": "no sentiments are told here",
    "topics": "no topics are told here: ask for them at /v1/transcripts",
    "intents": "no intents are told here",
    "detect_entities": "no entities are told here",
    "translate": "nothing is translated here",
}


class Control(StrEnum):
    FINALIZE = "Finalize"
    KEEP_ALIVE = "KeepAlive"
    CLOSE_STREAM = "CloseStream"
    CONFIGURE = "Configure"


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """``endpointing_ms``: None where no pause is told; ``utterance_end_ms``: None where no gap of words is.
    ``language``: None for what the server hears anyway."""

    encoding: Encoding = Encoding.CONTAINER
    sample_rate: int = 16_000
    channels: int = 1
    multichannel: bool = False
    interim_results: bool = False
    endpointing_ms: int | None = ENDPOINTING_MS
    utterance_end_ms: int | None = None
    vad_events: bool = False
    punctuate: bool = False
    diarize: bool = False
    utterances: bool = False
    hotwords: tuple[str, ...] = ()
    language: str | None = None

    @property
    def tracks(self) -> int:
        """How many channels are heard each by itself."""
        return self.channels if self.multichannel else 1

    def pause_ms(self, default_ms: int) -> int:
        """That ends what is heard in one piece: the ``endpointing``, where it is shorter than the house's pause."""
        wanted_ms = self.endpointing_ms
        return wanted_ms if wanted_ms is not None and PAUSE_MIN_MS <= wanted_ms < default_ms else default_ms


def parse_query(query: Sequence[tuple[str, str]], *, live: bool) -> ListenOptions:
    """Raises ``BadInput``. What is unknown is ignored. ``live``: of the socket, else of a recording that is posted."""
    for name, text in query:
        if name in REFUSED and text.lower() not in ("false", ""):
            raise BadInput(f"{name} is not supported: {REFUSED[name]}", details={"parameter": name})
    counts = Counter(name for name, _ in query)
    for name in _GIVEN_ONCE:
        if counts[name] > 1:
            raise BadInput(f"{name} is given {counts[name]} times: give it once", details={"parameter": name})
    last = dict(query)
    encoding = _encoding(last.get("encoding"))
    multichannel = _flag(last, "multichannel")
    if live and multichannel and encoding in (Encoding.CONTAINER, Encoding.OPUS):
        raise BadInput("multichannel needs raw samples: name their encoding", details={"parameter": "multichannel"})
    return ListenOptions(
        encoding=encoding,
        sample_rate=_rate(last, encoding),
        channels=_number(last, "channels", 1, 1, CHANNELS_MAX),
        multichannel=multichannel,
        interim_results=_flag(last, "interim_results"),
        endpointing_ms=_silence(last, "endpointing", ENDPOINTING_MS),
        utterance_end_ms=_silence(last, "utterance_end_ms", None),
        vad_events=_flag(last, "vad_events"),
        punctuate=_flag(last, "punctuate") or _flag(last, "smart_format"),
        diarize=_flag(last, "diarize") or last.get("diarize_model", "") not in ("", "false"),
        utterances=_flag(last, "utterances"),
        hotwords=_hotwords(query),
        language=_language(last),
    )


def parse_control(text: str) -> Control:
    """Raises ``InvalidMessage``."""
    if len(text) > MAX_CONTROL_BYTES:
        raise InvalidMessage(f"a control message may hold {MAX_CONTROL_BYTES} bytes")
    try:
        return Control(str(json_object(text).get("type")))
    except ValueError:
        raise InvalidMessage(
            "unknown message type", details={"known": [control.value for control in Control]}
        ) from None


def _encoding(name: str | None) -> Encoding:
    if name is None:
        return Encoding.CONTAINER
    found = _ENCODINGS.get(name.lower())
    if found is None:
        known = ", ".join(_ENCODINGS)
        raise BadInput(f"unsupported encoding; taken are {known}", details={"parameter": "encoding"})
    return found


def _rate(query: dict[str, str], encoding: Encoding) -> int:
    if encoding is Encoding.CONTAINER:
        return 16_000  # it says so itself
    if "sample_rate" not in query and encoding not in _RATES_HZ:
        raise BadInput("this encoding needs sample_rate", details={"parameter": "sample_rate"})
    return _number(query, "sample_rate", _RATES_HZ.get(encoding, 0), RATE_MIN_HZ, RATE_MAX_HZ)


def _flag(query: dict[str, str], name: str) -> bool:
    text = query.get(name, "false").lower()
    if text not in ("true", "false", "1", "0", ""):
        raise BadInput(f"{name} is true or false", details={"parameter": name})
    return text in ("true", "1")


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise BadInput(f"{name} is a number from {least} to {most}", details={"parameter": name})
    return int(text)


def _silence(query: dict[str, str], name: str, default: int | None) -> int | None:
    text = query.get(name, "").lower()
    if text in ("", "true"):
        return default
    return None if text == "false" else _number(query, name, 0, 0, SILENCE_MAX_MS)


def _hotwords(query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """``keywords`` carry a weight, which is left out."""
    terms = [text if name == "keyterm" else text.partition(":")[0] for name, text in query if name in _TERMS]
    found = tuple(dict.fromkeys(filter(None, (term.strip() for term in terms))))
    if len(found) > HOTWORDS_MAX or any(len(term) > HOTWORD_MAX_CHARS for term in found):
        raise BadInput(f"at most {HOTWORDS_MAX} terms of {HOTWORD_MAX_CHARS} characters, please")
    return found


_TERMS = frozenset({"keyterm", "keywords"})


def _language(query: dict[str, str]) -> str | None:
    if query.get("detect_language", "false").lower() not in ("false", ""):
        return "auto"
    text = query.get("language", "")
    if text in ("multi", "auto"):
        return "auto"
    if text and not (_LANGUAGE.fullmatch(text) and len(text) <= 16):
        raise BadInput("language is a code such as en or en-US", details={"parameter": "language"})
    return text or None
