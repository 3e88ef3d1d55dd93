"""Who spoke: diarization errors live and after the last pass, beside what costs nothing.

The conversations are those of the half ``test`` of ``tests.bench.conversations``, whose voices took no part in the
choice of thresholds. Each is heard as a session hears it: voice activity, utterances, windows, and passes now and then.
Trivial answers: that all is one speaker, and that each utterance is somebody new. *right* has the true speaker of each
step, and shows what voice activity and steps alone cost.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from asr.contract import Samples
from asr.speakers import offline
from asr.speakers.contract import Embeddings, EncoderInfo, LabelledStep, SpeakerEncoder, SpeakerOptions, SpeechWindow
from asr.speakers.offline import Told
from asr.speakers.online import OnlineSpeakers
from asr.speakers.resemblyzer import ResemblyzerEncoder
from asr.speakers.segmentation import Span
from asr.speakers.windows import GAP_SAMPLES, Levels, SpeechWindows
from asr.utterances import FRAME_SAMPLES, Utterances
from asr.vad import SileroVoiceActivity, levels
from protocol.blocks import SAMPLE_RATE_HZ
from server.relabelling import wanted_samples
from server.settings import Settings
from tests.bench.conversations import Conversation, conversations
from tests.bench.der import DiarizationError, Spoken, diarization_error
from tests.bench.figures import Figures
from tests.bench.mfcc import MfccEncoder
from tests.bench.speakers_segmented import Parts, Segmented, network, segmented, with_second

COLLARS_S = (0.25, 0.0)
EVERY_S = Settings().relabel_interval_s  # of speech, between two passes
FILLED_S = 0.8  # silence between two steps of one speaker that counts as spoken
QUICK_KINDS = ("2 voices", "short turns")
MFCC_CUTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MFCC_NEW = (0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass
class Heard:
    """A conversation after voice activity: its utterances, and the windows with their sound at its level."""

    conversation: Conversation
    utterances: list[tuple[int, int]]
    windows: list[SpeechWindow]
    sounds: list[Samples]
    rows: Embeddings = field(default_factory=lambda: np.zeros((0, ResemblyzerEncoder.info.dim), np.float32))


@dataclass
class Score:
    errors: list[DiarizationError] = field(default_factory=lambda: [DiarizationError()] * len(COLLARS_S))
    count_errors: list[int] = field(default_factory=list)


async def measure(figures: Figures, *, quick: bool) -> None:
    kinds = {"kinds": QUICK_KINDS} if quick else {}
    all_heard = [hear(conversation) for conversation in conversations("test", **kinds)]
    if not all_heard:
        figures.notes.append("EARSHOT_TEST_DATA names no recordings: there was nothing to hear.")
        return
    scores: dict[tuple[str, str], Score] = defaultdict(Score)
    encoder = ResemblyzerEncoder()
    segmentation = network()
    spent: dict[str, float] = defaultdict(float)
    mfcc = _chosen_mfcc([hear(conversation) for conversation in conversations("dev", **kinds)])
    for heard in all_heard:
        for way, steps in _ways(heard, encoder, mfcc, spent):
            score(scores[heard.conversation.kind, way], heard, steps)
        if segmentation is not None:
            found = segmented(heard.conversation.samples, heard.utterances, heard.windows, segmentation, encoder)
            spent["segmentation"] += found.looks_s + found.parts_s
            score_segmented(scores, heard, encoder.info, found)
    _figures(figures, scores)
    sound_s = sum(len(heard.conversation.samples) for heard in all_heard) / SAMPLE_RATE_HZ
    figures.add(
        conversations=len(all_heard),
        conversation_sound_s=sound_s,
        voice_cpu_ms_per_stream_second=spent["embed"] * 1000 / sound_s,
        speakers_cpu_ms_per_stream_second=spent["tell"] * 1000 / sound_s,
        passes_cpu_ms_per_stream_second=spent["pass"] * 1000 / sound_s,
        segmentation_cpu_ms_per_stream_second=spent["segmentation"] * 1000 / sound_s,
        window_cpu_ms=spent["embed"] * 1000 / sum(len(heard.windows) for heard in all_heard),
    )
    figures.notes += [
        f"Thresholds were chosen on other voices than these; the baseline's, on the same: cut {mfcc.info.cut:g}, "
        f"new speaker {mfcc.info.new_speaker:g}.",
        "That two larger groups must be nearly as alike as each is to itself was thought of when these voices were "
        "looked at (two synthetic ones were taken for one); by how much was chosen on the others.",
        "Errors are shares of the time that people spoke, overlap counted per speaker. Made conversations put together "
        "read or synthetic speech of few voices, each with its own microphone: real ones are harder.",
    ]


def hear(conversation: Conversation) -> Heard:
    """As a session does, with half a second of silence to end an utterance."""
    network = _network()
    samples = conversation.samples[: len(conversation.samples) // FRAME_SAMPLES * FRAME_SAMPLES]
    gate = Utterances(0, silence_samples=SAMPLE_RATE_HZ // 2, max_samples=28 * SAMPLE_RATE_HZ)
    (probabilities,) = network.listen([(network.open(), samples)])
    ended = [gate.feed(*frame) for frame in zip(probabilities, levels(samples), strict=True)]
    ended.append(gate.finalize(len(samples)))
    utterances = [utterance for utterance in ended if utterance is not None]
    windows = SpeechWindows(ResemblyzerEncoder.info)
    spans = [span for utterance in utterances for span in utterance.voiced]
    due = windows.take(spans, len(samples)) + windows.finish()
    normal = Levels().normal
    sounds = [normal(conversation.samples[one.heard_from_samples : one.heard_to_samples]) for one in due]
    return Heard(conversation, [(one.start_samples, one.end_samples) for one in utterances], due, sounds)


@functools.cache
def _network() -> SileroVoiceActivity:
    return SileroVoiceActivity()


def _ways(
    heard: Heard, encoder: ResemblyzerEncoder, mfcc: MfccEncoder, spent: dict[str, float]
) -> Iterator[tuple[str, Sequence[LabelledStep]]]:
    began = time.process_time()
    rows = heard.rows = _one_by_one(encoder, heard.sounds)
    spent["embed"] += time.process_time() - began
    truth = [_true_speaker(window, heard.conversation.spoken) for window in heard.windows]
    yield "right", _labelled(heard.windows, truth)
    yield "one_speaker", _labelled(heard.windows, [0] * len(truth))
    yield "per_utterance", _labelled(heard.windows, _utterance_of(heard))
    live, last = tell(heard.windows, rows, encoder.info, SpeakerOptions(), spent)
    yield "live", live
    yield "last", last
    count = len({who for _, _, who in heard.conversation.spoken})
    yield "last_count_known", tell(heard.windows, rows, encoder.info, SpeakerOptions(expected=count))[1]
    live, last = tell(heard.windows, mfcc.embed(heard.sounds), mfcc.info, SpeakerOptions())
    yield "mfcc_live", live
    yield "mfcc_last", last


def score_segmented(scores: dict[tuple[str, str], Score], heard: Heard, info: EncoderInfo, found: Segmented) -> None:
    live, last = tell(heard.windows, heard.rows, info, SpeakerOptions(), parts=found.parts)
    told = {"live": (live, ()), "last": (last, ()), "overlap": (last, found.overlaps)}
    for way, (steps, overlaps) in told.items():
        score(scores.setdefault((heard.conversation.kind, f"segmented_{way}"), Score()), heard, steps, overlaps)


def _one_by_one(encoder: SpeakerEncoder, sounds: Sequence[Samples]) -> Embeddings:
    rows = [encoder.embed([sound]) for sound in sounds]
    return np.concatenate(rows) if rows else np.zeros((0, encoder.info.dim), np.float32)


def tell(
    windows: Sequence[SpeechWindow],
    rows: Embeddings,
    info: EncoderInfo,
    options: SpeakerOptions,
    spent: dict[str, float] | None = None,
    parts: Parts | None = None,
) -> tuple[list[LabelledStep], Sequence[LabelledStep]]:
    """What is told live, passes at their times, and what the last pass says. ``parts``: instead of some windows."""
    spent = spent if spent is not None else defaultdict(float)
    online, told, now, end_samples = OnlineSpeakers(info, options), list[LabelledStep](), list[int](), 0
    heard_samples = ungrouped_samples = 0
    kept: list[tuple[SpeechWindow, Embeddings]] = []

    def parted(steps: Sequence[LabelledStep]) -> list[LabelledStep]:
        found: list[LabelledStep] = []
        for step in steps:
            at = len(done)
            done.append(step)
            mine = (parts or {}).get(at, ())
            kept.extend(mine or [(windows[at], rows[at])])
            found += [online.again(step, part, row) for part, row in mine] or [step]
        return found

    done: list[LabelledStep] = []

    def anew(options: SpeakerOptions) -> Told:
        began = time.process_time()
        there = [window for window, _ in kept]
        embeddings = np.array([row for _, row in kept]) if kept else rows[:0]
        found = offline.tell(there, embeddings, info, options, before=now, taken=online.taken)
        spent["pass"] += time.process_time() - began
        return found

    for window, row in zip(windows, rows, strict=True):
        began = time.process_time()
        fresh = online.finish() if window.start_samples - end_samples >= GAP_SAMPLES else []
        fresh += online.push(window, row)
        fresh = parted(fresh)
        spent["tell"] += time.process_time() - began
        end_samples = window.end_samples
        told += fresh
        now += [step.speaker for step in fresh]
        length_samples = sum(step.end_samples - step.start_samples for step in fresh)
        heard_samples, ungrouped_samples = heard_samples + length_samples, ungrouped_samples + length_samples
        if ungrouped_samples >= wanted_samples(heard_samples, EVERY_S):
            ungrouped_samples = 0
            found = anew(SpeakerOptions(most=options.limit))
            online.adopt(found.voices, gone=set(now) - {voice.speaker for voice in found.voices})
            now = [step.speaker for step in found.steps]
    fresh = parted(online.finish())
    told += fresh
    now += [step.speaker for step in fresh]
    return told, anew(options).steps


def _chosen_mfcc(dev: Sequence[Heard]) -> MfccEncoder:
    """The baseline with the thresholds that confuse least on ``dev``."""
    plain = MfccEncoder([sound for heard in dev for sound in heard.sounds])
    rows = [plain.embed(heard.sounds) for heard in dev]

    def confusion(info: EncoderInfo, which: int) -> float:
        total = Score()
        for heard, row in zip(dev, rows, strict=True):
            score(total, heard, tell(heard.windows, row, info, SpeakerOptions())[which])
        return total.errors[0].confusion

    cut = min(MFCC_CUTS, key=lambda value: confusion(replace(plain.info, cut=value, new_speaker=value), 1))
    new = min(MFCC_NEW, key=lambda value: confusion(replace(plain.info, cut=cut, new_speaker=value), 0))
    plain.info = replace(plain.info, cut=cut, new_speaker=new)
    return plain


def score(into: Score, heard: Heard, steps: Sequence[LabelledStep], overlaps: Sequence[Span] = ()) -> None:
    told = with_second(_spoken(steps), overlaps)
    reference = heard.conversation.spoken
    into.errors = [
        before + diarization_error(reference, told, collar_s)
        for before, collar_s in zip(into.errors, COLLARS_S, strict=True)
    ]
    into.count_errors.append(len({who for _, _, who in told}) - len({who for _, _, who in reference}))


def _spoken(steps: Sequence[LabelledStep]) -> list[Spoken]:
    """Steps as stretches of speech; short silences within a speaker's are filled."""
    told: list[Spoken] = []
    for step in steps:
        start_s, end_s = step.start_samples / SAMPLE_RATE_HZ, step.end_samples / SAMPLE_RATE_HZ
        who = str(step.speaker)
        if told and told[-1][2] == who and start_s - told[-1][1] <= FILLED_S:
            told[-1] = (told[-1][0], end_s, who)
        else:
            told.append((start_s, end_s, who))
    return told


def _labelled(windows: Sequence[SpeechWindow], speakers: Sequence[int]) -> list[LabelledStep]:
    pairs = zip(windows, speakers, strict=True)
    return [LabelledStep(window.start_samples, window.end_samples, speaker, 1.0) for window, speaker in pairs]


def _true_speaker(window: SpeechWindow, spoken: Sequence[Spoken]) -> int:
    names = sorted({who for _, _, who in spoken})
    start_s, end_s = window.start_samples / SAMPLE_RATE_HZ, window.end_samples / SAMPLE_RATE_HZ
    heard = [sum(max(0.0, min(end_s, b) - max(start_s, a)) for a, b, who in spoken if who == name) for name in names]
    return int(np.argmax(heard))


def _utterance_of(heard: Heard) -> list[int]:
    starts = [start for start, _ in heard.utterances]
    return [int(np.searchsorted(starts, window.start_samples, side="right")) for window in heard.windows]


def _figures(figures: Figures, scores: dict[tuple[str, str], Score]) -> None:
    for (kind, way), found in scores.items():
        name = f"{kind.replace(' ', '_')}_{way}"
        near, exact = found.errors
        off = [abs(error) for error in found.count_errors]
        figures.add(
            **{
                f"{name}_der": near.rate,
                f"{name}_der_no_collar": exact.rate,
                f"{name}_confusion": near.confusion,
                f"{name}_speakers_off": sum(off) / len(off),
            }
        )
