"""What the two halves of asr say to each other over one local stream socket.

A frame is two unsigned 32-bit big-endian lengths, a JSON header and a payload: ``len(header) | len(payload) | header |
payload``. The header holds one message below; the payload is PCM and only ``Audio`` has one. Every message of a session
carries its generation: a recycled session never hears another's words.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter

from asr.contract import SessionOptions
from protocol.words import PARSED, Word

_LENGTHS = struct.Struct("!II")
MAX_HEADER_BYTES = 1 << 20  # an utterance of 30 s has under 200 words of about 80 bytes
MAX_PAYLOAD_BYTES = 1 << 20  # 32 s of sound; a block is far shorter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class HeardVoice(_Message):
    """A voice as it was heard so far: ``embedding`` is its mean, float16 little-endian, ``heard_samples`` how much
    there was of it. ``number`` None: not heard here yet, but enrolled by its ``name``, under which it is recognised.
    """

    number: int | None
    embedding: Base64Bytes
    heard_samples: int = 0
    name: str | None = None


class Open(_Message):
    """To the worker: a session begins, and words are wanted from ``start_samples`` on. Its first sample will be
    ``lead_samples`` before: those only tell voice activity where it is (``asr.renewal``).

    ``voices``: those of the track that were told apart before, and those that are enrolled, embedded by ``encoder``;
    of another encoder than the worker's they are of no use.

    ``alone_until_samples``: its sound before is suspected to have ended a process; no step has it and others' sound.
    """

    type: Literal["open"] = "open"
    session_id: str
    generation: int
    start_samples: int
    lead_samples: int = 0
    options: SessionOptions
    alone_until_samples: int = 0
    voices: tuple[HeardVoice, ...] = ()
    encoder: str | None = None


class Audio(_Message):
    """To the worker: the next sound of a session, without holes; the payload is 16 kHz mono s16 PCM."""

    type: Literal["audio"] = "audio"
    session_id: str
    generation: int
    start_samples: int


class FoundVoices(_Message):
    """To the worker: what a later pass made of the voices of a session, by ``encoder``; it goes on with these.

    Voices with numbers in ``gone`` were nobody; all others were not heard by the pass.
    """

    type: Literal["found"] = "found"
    session_id: str
    generation: int
    encoder: str
    voices: tuple[HeardVoice, ...]
    gone: tuple[int, ...] = ()


class Finalize(_Message):
    """To the worker: make finals of all sound so far, then answer with a ``Marker`` of the same number.

    ``leave_open``: only of utterances that have ended; one that may go on stays open.
    """

    type: Literal["finalize"] = "finalize"
    session_id: str
    generation: int
    marker: int
    leave_open: bool = False


class Close(_Message):
    """To the worker: forget the session now. Say ``Finalize`` first if its words are wanted."""

    type: Literal["close"] = "close"
    session_id: str
    generation: int


class Credentials(_Message):
    """To the worker, before all else and only where its settings say so: what must not stand on a command line.

    All users of a machine can read those.
    """

    type: Literal["credentials"] = "credentials"
    riva_token: str = Field(repr=False)


class Shared(_Message):
    """To a worker that several servers share, from the one that started it: so many such processes there are."""

    type: Literal["shared"] = "shared"
    processes: int


class Here(_Message):
    """To a worker that several servers share, from each that came, first of all: it reads what it is told."""

    type: Literal["here"] = "here"


class Ping(_Message):
    type: Literal["ping"] = "ping"
    number: int


class Shutdown(_Message):
    type: Literal["shutdown"] = "shutdown"


class Ready(_Message):
    """From the worker: the engine is loaded. ``reason`` says in a sentence why it was chosen.

    ``streaming``: see ``asr.contract.EngineInfo``. ``encoder``: by which voices can be told apart; None: they cannot,
    for want of the reason in ``no_encoder``. ``segmentation``: by which changes of voices are looked for;
    ``no_segmentation``: why not by what was asked for.
    """

    type: Literal["ready"] = "ready"
    engine: str
    model: str
    device: str
    languages: tuple[str, ...]
    reason: str
    notice: str = ""
    streaming: bool = True
    workers_max: int = 1  # processes like this one that the machine is good for
    batch_max: int = 1
    encoder: str | None = None
    no_encoder: str = ""
    segmentation: str | None = None
    no_segmentation: str = ""


class Spoke(_Message):
    """So many words in a row are of this voice. ``name``: of the enrolled one that it was recognised as; ``of_one``:
    the engine told that they are of one speaker."""

    voice: int
    words: int
    confidence: float
    name: str | None = None
    of_one: bool = False


class VoicePrints(_Message):
    """From the worker, right before the final that they are of: the embeddings of its speech, for later passes.

    ``embeddings``: rows of ``dim`` signed bytes, each a unit vector times what makes its largest 127; ``steps``: the
    ``(start_samples, end_samples, voice)`` of each.
    """

    type: Literal["prints"] = "prints"
    session_id: str
    generation: int
    encoder: str
    dim: int
    steps: tuple[tuple[int, int, int], ...]
    embeddings: Base64Bytes


class Heard(_Message):
    """From the worker: the words of the open utterance of a session.

    ``spoke``: whose the words are, all of them in order; empty where voices are not told apart. ``overlaps``: where two
    speak at once in a final's utterance, as ``(start_samples, end_samples)``.

    ``final``: the utterance ended and these are its words, none of them will change (none at all: it was not speech).
    ``through_samples``: all sound before it went into this.
    """

    type: Literal["heard"] = "heard"
    session_id: str
    generation: int
    start_samples: int
    end_samples: int
    words: tuple[Word, ...]
    final: bool
    through_samples: int
    language: str | None = None
    spoke: tuple[Spoke, ...] = ()
    overlaps: tuple[tuple[int, int], ...] = ()


class Settled(_Message):
    """From the worker: everything before ``samples`` is silence or told as final; a replay may begin there.

    ``through_samples``: how far the worker has listened at all (voice activity), for the lag.
    """

    type: Literal["settled"] = "settled"
    session_id: str
    generation: int
    samples: int
    through_samples: int


class Marker(_Message):
    """From the worker: everything that came before ``Finalize`` of this number is through, finals included."""

    type: Literal["marker"] = "marker"
    session_id: str
    generation: int
    marker: int


class GaveUp(_Message):
    """From the worker: the engine failed on this utterance, alone as well. A final without words follows."""

    type: Literal["gave_up"] = "gave_up"
    session_id: str
    generation: int
    start_samples: int
    end_samples: int
    message: str


class Working(_Message):
    """From the worker, right before each step of the engine or of voice activity: whose sound is in it, and how far.

    Without sessions: it is over.

    What ends the process while this was its last word is the fault of that sound: ``(session_id, generation,
    end_samples)`` of each session in the step. ``voices``: ``(session_id, generation)`` of those whose voices are being
    told apart instead, which is never held against their words; ``changes``: it is being looked for where these change,
    which is not held against voices either.
    """

    type: Literal["working"] = "working"
    sessions: tuple[tuple[str, int, int], ...]
    voices: tuple[tuple[str, int], ...] = ()
    changes: bool = False


class Beside(_Message):
    """From the worker: voices of these, ``(session_id, generation)``, are being told apart in a thread beside its
    steps, until the next such message. It is at fault, too, if the process ends meanwhile. ``changes``: as in
    ``Working``.
    """

    type: Literal["beside"] = "beside"
    voices: tuple[tuple[str, int], ...]
    changes: bool = False


class EncoderLoading(_Message):
    """From the worker: the encoder of voices is being loaded, at fault if the process ends; or that is over."""

    type: Literal["encoder"] = "encoder"
    over: bool


class Ran(_Message):
    """From the worker, after each step of the engine: what it took. Times are wall time.

    ``kind`` ``voices``: of the encoder of voices instead, ``size`` windows of sound of ``batch_max``.

    ``wait_ms``: how long the most overdue of its entries had been wanted. ``sound_samples``: new sound in it.
    ``listened_frames`` and ``listen_ms``: voice activity since the step before.
    """

    type: Literal["ran"] = "ran"
    kind: Literal["final", "interim", "file", "guess", "voices"]
    size: int
    batch_max: int
    wait_ms: float
    run_ms: float
    sound_samples: int = 0
    listened_frames: int = 0
    listen_ms: float = 0.0


class Pong(_Message):
    """From the worker's loop (not from a side thread): it is alive. Figures for the metrics and for admission.

    Counts are since its start. ``busy``: the share of the last seconds spent on what was wanted (guesses are not).
    ``sessions`` and ``live``: all, and those of speakers, of whomever they are.
    ``interim_ms``: how often a session gets an interim now. ``waiting``: steps wanted now and not begun.
    ``voice_windows`` of sound were embedded in ``voice_ms``, ``voice_windows_dropped`` were not for want of time;
    ``voice_failures``: times that a session's voices were no longer told apart because something failed.
    ``segmentations``: stretches of sound in which changes of voices were looked for in ``segmentation_ms``;
    ``segmentations_left_out``: finals before which there was no time for that.
    ``no_encoder``: why those of nobody are, though ``Ready`` said that they could be; ``no_segmentation``: why changes
    of nobody's are looked for, though it named by what. ``away``: why an engine on
    another machine hears nothing now.
    """

    type: Literal["pong"] = "pong"
    number: int
    sessions: int = 0
    live: int = 0
    backlog_samples: int = 0
    steps: int = 0
    step_s: float = 0.0
    busy: float = 0.0
    interim_ms: int = 0
    waiting: int = 0
    utterances: int = 0
    interims_dropped: int = 0
    guard_hits: dict[str, int] = Field(default_factory=dict)
    voice_windows: int = 0
    voice_ms: float = 0.0
    voice_windows_dropped: int = 0
    voice_failures: int = 0
    segmentations: int = 0
    segmentation_ms: float = 0.0
    segmentations_left_out: int = 0
    no_encoder: str = ""
    no_segmentation: str = ""
    away: str = ""


class Broken(_Message):
    """From the worker: it cannot go on, and why. It exits after this."""

    type: Literal["broken"] = "broken"
    code: str
    message: str


ToWorker = Annotated[Open | Audio | FoundVoices | Finalize | Close | Ping | Shutdown, Field(discriminator="type")]
FromWorker = Annotated[
    Ready | VoicePrints | Heard | Settled | Marker | GaveUp | Working | Beside | EncoderLoading | Ran | Pong | Broken,
    Field(discriminator="type"),
]

TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(ToWorker, config=PARSED)
FROM_OWNER: TypeAdapter[ToWorker | Shared | Here] = TypeAdapter(
    Annotated[ToWorker | Shared | Here, Field(discriminator="type")], config=PARSED
)
FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(FromWorker, config=PARSED)


class FrameError(ValueError):
    """The peer sent something that is no frame."""


def frame(message: BaseModel, payload: bytes = b"") -> bytes:
    header = message.model_dump_json(exclude_defaults=False).encode()
    if len(header) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"frame too long: {len(header)} + {len(payload)} bytes")
    return _LENGTHS.pack(len(header), len(payload)) + header + payload


class FrameReader:
    """Bytes in, ``(header, payload)`` out, whole or piece by piece. ``FrameError`` at a length over the limits."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        self._buffer += data
        frames: list[tuple[bytes, bytes]] = []
        at = 0
        while len(self._buffer) - at >= _LENGTHS.size:
            header_bytes, payload_bytes = _LENGTHS.unpack_from(self._buffer, at)
            if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
                raise FrameError(f"frame too long: {header_bytes} + {payload_bytes} bytes")
            body = at + _LENGTHS.size
            end = body + header_bytes + payload_bytes
            if len(self._buffer) < end:
                break
            frames.append(
                (bytes(self._buffer[body : body + header_bytes]), bytes(self._buffer[body + header_bytes : end]))
            )
            at = end
        del self._buffer[:at]
        return frames
