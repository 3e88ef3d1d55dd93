"""Word errors of the embedded recogniser: live through the socket against the same engine hearing whole files.

Whole file: the engine's own final pass over all of it as one utterance, in this process, without voice activity, socket
or journal. Live: the real server, sent as fast as it takes it. If the live path lost words, they would show as
deletions.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt

from asr.contract import SessionOptions, Step
from asr.engines.sphinx import SphinxEngine
from media.decode import DecodeLimits, decode_file
from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench.figures import Figures
from tests.bench.node import Node, cores

SAMPLE = Path(__file__).parent.parent.parent / "web_client" / "sample" / "conversation.flac"
LIMITS = DecodeLimits(bytes_max=1 << 30, duration_max_s=3600.0)
SOUNDS = (".wav", ".flac", ".mp3")
# English with references, and how many seconds of each are heard: enough to compare, in a few minutes.
CORPORA = {"speech/librispeech_test_other": 60.0, "speech/longform": 60.0, "speech/ljspeech": 45.0, "speech/jfk": 11.0}
QUICK_CORPORA = {"speech/librispeech_test_other": 15.0, "speech/ljspeech": 10.0}
FRAME_BYTES = SAMPLE_RATE_HZ // 2 * 2  # half a second


@dataclass(frozen=True)
class Recording:
    corpus: str
    path: Path
    reference: str
    samples: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Errors:
    """Against a reference of ``words`` words."""

    words: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        return (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


async def measure(figures: Figures, *, quick: bool) -> None:
    found = recordings(quick=quick)
    pair = cores()
    node = Node("embedded-en", pair[0] if pair else None, catch_up_factor=50)
    # The two hear at once, on different cores: the engine holds Python's lock while it decodes.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        hearing_whole = asyncio.get_running_loop().run_in_executor(pool, heard_whole, found)
        live, live_s = await _all_live(node, found)
        whole, whole_s = await hearing_whole
    for corpus in dict.fromkeys(recording.corpus for recording in found):
        chosen = [at for at, recording in enumerate(found) if recording.corpus == corpus]
        _compare(
            figures,
            Path(corpus).name,
            [found[at] for at in chosen],
            [live[at] for at in chosen],
            [whole[at] for at in chosen],
        )
    sound_s = sum(len(recording.samples) for recording in found) / SAMPLE_RATE_HZ
    _compare(figures, "all", found, live, whole)
    figures.add(
        sound_s=sound_s,
        live_seconds_per_sound_second=live_s / sound_s,
        whole_seconds_per_sound_second=whole_s / sound_s,
    )
    if len({recording.corpus for recording in found}) == 1:
        figures.notes.append("EARSHOT_TEST_DATA names no recordings: only the project's own sample was heard.")


def _compare(figures: Figures, name: str, found: list[Recording], live: list[str], whole: list[str]) -> None:
    references = [recording.reference for recording in found]
    a, b = errors(references, live), errors(references, whole)
    figures.add(
        **{
            f"{name}_live_word_error_rate": a.rate,
            f"{name}_whole_word_error_rate": b.rate,
            f"{name}_live_deleted_rate": a.deletions / a.words,
            f"{name}_whole_deleted_rate": b.deletions / b.words,
            f"{name}_words": a.words,
        }
    )


def errors(references: list[str], heard: list[str]) -> Errors:
    """Over all of them together; both sides are normalised."""
    result = jiwer.process_words([normal(text) for text in references], [normal(text) for text in heard])
    words = result.hits + result.substitutions + result.deletions
    return Errors(words, result.substitutions, result.deletions, result.insertions)


def normal(text: str) -> str:
    """Lower case, hyphens as spaces, no punctuation but apostrophes within words."""
    lowered = text.lower().replace("’", "'").replace("-", " ").replace("—", " ")
    return " ".join(re.sub(r"[^\w' ]+", " ", lowered).replace(" '", " ").replace("' ", " ").split())


def recordings(*, quick: bool) -> list[Recording]:
    return list(_recordings(QUICK_CORPORA if quick else CORPORA))


def _recordings(corpora: Mapping[str, float]) -> Iterator[Recording]:
    turns = json.loads(SAMPLE.with_suffix(".json").read_text())["turns"]
    yield Recording("sample", SAMPLE, " ".join(turn["text"] for turn in turns), _samples(SAMPLE))
    folder = os.environ.get("EARSHOT_TEST_DATA")
    for corpus, left_s in corpora.items() if folder and Path(folder).is_dir() else ():
        files = sorted(path for path in (Path(folder or "") / corpus).iterdir() if path.suffix in SOUNDS)
        # Evenly over the corpus, so that not one speaker decides.
        step = max(1, len(files) // 8)
        for path in files[::step]:
            text = path.with_suffix(".txt")
            if left_s > 0 and text.exists() and "tel8k" not in path.name:
                recording = Recording(corpus, path, text.read_text(), _samples(path))
                left_s -= len(recording.samples) / SAMPLE_RATE_HZ
                yield recording


def _samples(path: Path) -> npt.NDArray[np.int16]:
    return np.frombuffer(b"".join(block.pcm for block in decode_file(path, LIMITS)), np.int16)


def heard_whole(found: list[Recording]) -> tuple[list[str], float]:
    """The texts, and how long it took."""
    engine = SphinxEngine()
    began_s = time.monotonic()
    texts = []
    for recording in found:
        stream = engine.open(SessionOptions(lane="file", interim=False))
        (hypothesis,) = engine.step([Step(stream, recording.samples, 0, flush=True)])
        engine.close(stream)
        texts.append(" ".join(word.text for word in hypothesis.words))
    return texts, time.monotonic() - began_s


async def _all_live(node: Node, found: list[Recording]) -> tuple[list[str], float]:
    """The texts, and how long it took."""
    texts = []
    async with node, node.http() as http:
        began_s = time.monotonic()
        for recording in found:
            texts.append(await _live(node, await node.create_transcript(http), recording))
        return texts, time.monotonic() - began_s


async def _live(node: Node, transcript_id: str, recording: Recording) -> str:
    from websockets.asyncio.client import connect

    url = f"{node.url.replace('http', 'ws', 1)}/v1/transcripts_stream/{transcript_id}"
    finals: dict[str, tuple[float, str]] = {}
    async with connect(url, compression=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}}))
        sending = asyncio.create_task(_send(socket, recording.samples.tobytes()))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "transcription" and message["data"]["is_final"]:
                data = message["data"]
                finals[data["segment_id"]] = (data["start"], data["text"])
        await sending
    return " ".join(text for _, text in sorted(finals.values()))


async def _send(socket: object, sound: bytes) -> None:
    send = socket.send  # type: ignore[attr-defined]
    for at in range(0, len(sound), FRAME_BYTES):
        await send(sound[at : at + FRAME_BYTES])
    await send(json.dumps({"type": "stop"}))
