"""A loop that tells the scripted voices apart, with the clock in hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from asr import wire
from asr.contract import Samples, SessionOptions
from asr.encoder_loading import EncoderLoading
from asr.engines.scripted_voices import ScriptedEncoder
from asr.loop import InferenceLoop
from asr.speakers.contract import Embeddings, SpeakerEncoder
from asr.vad import EnergyVoiceActivity
from tests.asr.test_loop import Bench
from tests.fakes.scripted_sound import scripted_sound, sentence

LIVE = SessionOptions(diarize=True)
OF_FILE = SessionOptions(diarize=True, lane="file")
FIRST = "good morning river stone bridge garden"
SECOND = "silver ocean forest window table paper"


def said_by(*turns: tuple[int, str], gap_s: float = 0.0, end_s: float = 1.0) -> bytes:
    """One after the other with ``gap_s`` between them, in one utterance if that is short; silence at both ends."""
    sound = bytes(2 * 8000)
    for voice, text in turns:
        words = sentence(text, 0.0)
        sound += scripted_sound(words, length_s=round(words[-1][1] + 0.24 + 0.1 + gap_s, 2), voice=voice)
    return sound + bytes(2 * round(16_000 * end_s))


class TimedEncoder(ScriptedEncoder):
    """Notes its steps, and whether words were due; ``cost_s`` of the bench's clock passes with each window."""

    def __init__(self, bench: VoicesBench) -> None:
        super().__init__(bench.encoder_model)
        self.bench = bench
        self.steps: list[tuple[float, int]] = []
        self.while_due = 0  # windows

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        self.steps.append((self.bench.now_s, len(windows)))
        due = [
            wish
            for wish in self.bench.loop._wishes.values()
            if wish.kind == "final" or (wish.kind == "interim" and wish.due_s <= self.bench.now_s)
        ]
        self.while_due += len(windows) if due else 0
        self.bench.now_s += self.bench.window_s * len(windows)
        return super().embed(windows)


class HeavyEncoder(TimedEncoder):
    info = replace(TimedEncoder.info, batch_windows=2)


@dataclass
class VoicesBench(Bench):
    """A loop that tells voices apart. ``window_s``: what the encoder takes for one."""

    window_s: float = 0.0
    encoder_model: str = "scripted"
    load: Callable[[VoicesBench], SpeakerEncoder] = TimedEncoder
    in_thread: bool = False
    loading: EncoderLoading = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.loading = EncoderLoading(lambda: self.load(self), in_thread=self.in_thread)
        self.loop = InferenceLoop(
            self.engine, EnergyVoiceActivity(), self.settings, self.said.append, lambda: self.now_s, self.loading
        )

    @property
    def encoder(self) -> TimedEncoder:
        assert isinstance(self.loading.encoder, TimedEncoder)
        return self.loading.encoder

    def whose(self, name: str = "s") -> list[tuple[str, int]]:
        """Each word of the finals and whose it is said to be."""
        return [
            (word.text, voice)
            for heard in self.finals(name)
            for word, voice in zip(heard.words, voices_of(heard), strict=True)
        ]

    def prints(self, name: str = "s") -> list[wire.VoicePrints]:
        return self.of(wire.VoicePrints, name)

    def pong(self) -> wire.Pong:
        self.loop.take(wire.Ping(number=1))
        answer = self.said.pop()
        assert isinstance(answer, wire.Pong)
        return answer


def voices_of(heard: wire.Heard) -> list[int]:
    return [one.voice for one in heard.spoke for _ in range(one.words)]


def as_expected(*turns: tuple[int, str]) -> list[tuple[str, int]]:
    return [(word, voice) for voice, text in turns for word in text.split()]


TALK = ((0, FIRST), (1, SECOND))
