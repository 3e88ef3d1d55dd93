"""Jobs: a long file by the embedded recogniser, and many files at once beside live speech.

The long file is recordings with known words, one after the other, again and again. Beside it each recording is heard in
one piece by the same engine: what the job loses or says twice would show as more errors. Many files beside live speech
are of the scripted engine: what is measured is whether they keep the live words waiting.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
import wave
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from protocol.blocks import SAMPLE_RATE_HZ
from tests.bench import streams
from tests.bench.figures import Figures
from tests.bench.node import Node
from tests.bench.words import Recording, errors, heard_whole, recordings
from tests.fakes.scripted_sound import scripted_sound, sentence

HOURS = 2.0
PAUSE_S = 1.0  # between two recordings
LOOK_S = 1.0
LIVE = 5
FILES = 50
FILE_S = 600.0
LIVE_S = 40.0
JOBS = "/api/transcribe"


async def long_file(figures: Figures, *, quick: bool) -> None:
    hours = 0.05 if quick else HOURS
    found = await asyncio.to_thread(recordings, quick=False)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        path = Path(folder) / "long.wav"
        said = await asyncio.to_thread(lay, found, path, hours * 3600)
        node = Node("embedded-en", None, upload_max_mb=2000)
        async with node, node.http() as http:
            began_s = time.monotonic()
            job_id = await begin(http, path)
            memory = await until_ended(node, http, job_id)
            spent_s = time.monotonic() - began_s
            result = (await http.get(f"{JOBS}/result/{job_id}")).raise_for_status().json()
        whole, _ = await asyncio.get_running_loop().run_in_executor(pool, heard_whole, found)
    texts = {id(recording): text for recording, text in zip(found, whole, strict=True)}
    reference = " ".join(recording.reference for recording in said)
    server_mb, inference_mb = zip(*memory, strict=True)
    tenth = max(1, len(server_mb) // 10)
    figures.add(
        job_hours=result["audio_duration"] / 3600,
        job_seconds_per_sound_second=spent_s / result["audio_duration"],
        job_word_error_rate=errors([reference], [result["text"]]).rate,
        whole_word_error_rate=errors([reference], [" ".join(texts[id(recording)] for recording in said)]).rate,
        job_server_peak_mb=max(server_mb),
        job_inference_peak_mb=max(inference_mb),
        job_server_grown_mb=float(np.median(server_mb[-tenth:]) - np.median(server_mb[tenth : 2 * tenth])),
    )


def lay(found: Sequence[Recording], path: Path, length_s: float) -> list[Recording]:
    """Recordings in turn until there is so much of them; which they were."""
    said: list[Recording] = []
    left = round(length_s * SAMPLE_RATE_HZ)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE_HZ)
        for recording in cycle(found):
            if left <= 0:
                return said
            said.append(recording)
            wav.writeframes(recording.samples.astype("<i2").tobytes())
            wav.writeframes(bytes(round(PAUSE_S * SAMPLE_RATE_HZ) * 2))
            left -= len(recording.samples) + round(PAUSE_S * SAMPLE_RATE_HZ)
    return said


async def begin(http: httpx.AsyncClient, path: Path) -> str:
    data = await asyncio.to_thread(path.read_bytes)
    answer = await http.post(JOBS, files={"file": (path.name, data, "audio/wav")}, timeout=600)
    return str(answer.raise_for_status().json()["job_id"])


async def until_ended(node: Node, http: httpx.AsyncClient, job_id: str) -> list[tuple[float, float]]:
    """The memory of the server and of its inference processes meanwhile, in MB. Says how far it is."""
    found: list[tuple[float, float]] = []
    told = -10
    while True:
        found.append(node.resident_mb())
        status: dict[str, Any] = (await http.get(f"{JOBS}/status/{job_id}")).raise_for_status().json()
        if status["status"] != "processing":
            assert status["status"] == "completed", status["message"]
            return found
        if status["progress"] >= told + 10:
            told = status["progress"]
            print(f"  {status['message']}", flush=True)
        await asyncio.sleep(LOOK_S)


async def beside_live(figures: Figures, *, quick: bool) -> None:
    files, seconds = (5, 12.0) if quick else (FILES, LIVE_S)
    alone, beside = Figures("alone", ""), Figures("beside", "")
    ended: list[str] = []
    await streams.measure(alone, streams.WebSocketStream, count=LIVE, seconds=seconds, pinned=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.wav"
        words = [word for at in range(0, round(FILE_S), 5) for word in sentence("alpha bravo charlie", at + 0.5)]
        await asyncio.to_thread(_write, path, scripted_sound(words, length_s=FILE_S))

        async def load(node: Node, http: httpx.AsyncClient) -> None:
            for _ in range(files):
                ended.append(await begin(http, path))

        async def count(node: Node, http: httpx.AsyncClient) -> None:
            for job_id in ended:
                await until_ended(node, http, job_id)

        await streams.measure(
            beside, streams.WebSocketStream, count=LIVE, seconds=seconds, pinned=False, beside=load, after=count
        )
    figures.add(live_streams=LIVE, jobs_beside=files, jobs_completed=len(ended))
    for name in ("word_to_interim_p95_ms", "speech_to_final_p95_ms"):
        figures.add(**{f"alone_{name}": alone.values[name], f"beside_{name}": beside.values[name]})
    figures.add(beside_words_wrong=beside.values["words_wrong"])
    figures.notes.append(
        f"Files of {FILE_S / 60:.0f} minutes, all given before the live streams begin, and heard meanwhile by the "
        "same scripted engine; the server may use all cores, and the load is on one of them."
    )


def _write(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE_HZ)
        wav.writeframes(pcm)
