"""Whether telling voices apart keeps words waiting: live streams with it and without, in turns.

Words are those of the scripted engine, which cost next to nothing; voices are told apart by the real encoder, and the
server, its inference process and the encoder share one core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

import httpx

from asr.engines.choose_encoder import REAL_VOICES
from asr.speakers.segmentation import NAME
from tests.bench import streams
from tests.bench.figures import Figures
from tests.bench.node import Node
from tests.bench.speakers_segmented import segmentation_folder

STREAMS = 20
SECONDS = 30.0
ROUNDS = 3
WARM_S = 8.0  # one stream before them: the encoder is loaded when it is first wanted
EVERY_S = 2.0  # 1.4 s of speech, 0.6 s of silence: people who hardly pause
WANTED = {
    "word_to_interim_p50_ms": "interim_p50_ms",
    "word_to_interim_p95_ms": "interim_p95_ms",
    "speech_to_final_p50_ms": "final_p50_ms",
    "speech_to_final_p95_ms": "final_p95_ms",
    "inference_cpu_ms_per_stream_second": "inference_cpu_ms_per_stream_second",
    "words_wrong": "words_wrong",
}


async def measure(figures: Figures, *, quick: bool) -> None:
    """Rounds of both in turns, so that whatever else the machine does falls on both; the median of each."""
    count = 4 if quick else STREAMS
    network = segmentation_folder()
    rounds: dict[str, list[Figures]] = {"without": [], "with": [], **({"segmented": []} if network else {})}
    for _ in range(1 if quick else ROUNDS):
        for kind, found in rounds.items():
            one = Figures("round", "")
            await streams.measure(
                one,
                stream_with(kind != "without"),
                count=count,
                seconds=12.0 if quick else SECONDS,
                engine=REAL_VOICES,
                every_s=EVERY_S,
                beside=_warm,
                models={NAME: network} if network and kind == "segmented" else {},
            )
            found.append(one)
    figures.add(speakers_streams=count)
    compare(figures, rounds)
    figures.notes.append(
        f"Words with and without: {count} streams of the scripted engine and the real encoder, loaded before, on one "
        f"core. In each a sentence of 1.4 s begins every {EVERY_S:g} s; the median of {len(rounds['with'])} rounds of "
        "each kind, in turns."
    )


def stream_with(diarize: bool) -> streams.OpenStream:
    return partial(streams.WebSocketStream, start={"diarize": diarize})


def compare(figures: Figures, rounds: Mapping[str, Sequence[Figures]]) -> None:
    """The median of each figure over the rounds of each kind: with voices told apart, without, and with segmentation,
    too."""
    for theirs, ours in WANTED.items():
        for kind, found in rounds.items():
            values = [one.values[theirs] for one in found if theirs in one.values]
            if values:
                figures.add(**{f"speakers_{ours}_{kind}": median(values)})


async def _warm(node: Node, http: httpx.AsyncClient) -> None:
    words, sound = streams.talk(WARM_S, 0.0, every_s=EVERY_S)
    transcript_id = await node.create_transcript(http)
    await stream_with(True)(node, transcript_id, sound, streams.Heard(words)).run()
