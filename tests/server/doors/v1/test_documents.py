"""A transcript's words in its record, in each form."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from protocol.events import Transcribed
from server.doors.v1 import documents
from server.services import Services
from server.store.records import Transcript
from tests.server.spoken import segment

HOUR_SAMPLES = 3600 * 16_000


async def spoken(services: Services) -> Transcript:
    """Two people, one of them named later; the second speaks an hour after the first."""
    transcript = await services.store.create_transcript(name="Talk")
    for number, (at, label, name) in enumerate(
        [(0, "Speaker 1", "Ann <b>"), (65 * 16_000, "Speaker 2", "Speaker 2"), (HOUR_SAMPLES, "Speaker 1", "Ann <b>")]
    ):
        said = segment(f"seg_{number}", f'words "{number}" ☕', start_samples=at).said_by(label, name)
        await services.journal.append(transcript.id, Transcribed(segment=said, track_started_at=1000.0))
    return transcript


async def words(client: httpx.AsyncClient, transcript: Transcript, form: str) -> Any:
    answer = await client.get(f"/v1/transcripts/{transcript.id}", params={"transcript_format": form})
    assert answer.status_code == 200
    body = answer.json()
    plain = (await client.get(f"/v1/transcripts/{transcript.id}")).json()
    told = body.pop("transcript")
    assert body.pop("transcript_format") == form
    assert body == plain
    return told


async def test_each_form(client: httpx.AsyncClient, services: Services) -> None:
    transcript = await spoken(services)
    text = 'Ann <b>: words "0" ☕\nSpeaker 2: words "1" ☕\nAnn <b>: words "2" ☕\n'
    assert await words(client, transcript, "text") == await words(client, transcript, "txt") == text
    assert await words(client, transcript, "text-timestamped") == (
        '[00:00] Ann <b>: words "0" ☕\n[01:05] Speaker 2: words "1" ☕\n[1:00:00] Ann <b>: words "2" ☕\n'
    )
    named = await words(client, transcript, "webvtt-named")
    assert named.startswith("WEBVTT\n\n1\n00:00:00.000 --> ")
    assert "<v Ann &lt;b&gt;>words" in named
    assert await words(client, transcript, "webvtt") == await words(client, transcript, "vtt") == named
    assert (await words(client, transcript, "srt")).startswith("1\n00:00:00,000 --> ")
    listed = await words(client, transcript, "json")
    assert listed[0] == {
        "speaker": "Speaker 1",
        "speaker_name": "Ann <b>",
        "text": 'words "0" ☕',
        "start": 0.0,
        "end": 1.0,
    }
    assert [item["start"] for item in listed] == [0.0, 65.0, 3600.0]


async def test_one_without_words_and_forms_that_are_none(client: httpx.AsyncClient, services: Services) -> None:
    transcript = await services.store.create_transcript()
    assert await words(client, transcript, "json") == []
    assert await words(client, transcript, "text") == ""
    refused = await client.get(f"/v1/transcripts/{transcript.id}?transcript_format=pdf")
    assert refused.status_code == 422


async def test_long_ones_are_laid_out_off_the_loop_and_in_pieces(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = await services.store.create_transcript()
    said = [segment(f"seg_{n}", f"word{n} ☕", start_samples=n * 100_000) for n in range(300)]
    await asyncio.gather(
        *(services.journal.append(transcript.id, Transcribed(segment=each, track_started_at=1.0)) for each in said)
    )
    threads: set[int] = set()
    longest = 0
    dumps = json.dumps

    def watched(value: Any, **options: Any) -> str:
        nonlocal longest
        text = dumps(value, **options)
        if "☕" in text:
            threads.add(threading.get_ident())
            longest = max(longest, len(text))
        return text

    monkeypatch.setattr(json, "dumps", watched)
    monkeypatch.setattr(documents, "PIECE_CHARS", 1000)
    for form in ("json", "text"):
        told = str(await words(client, transcript, form))
        assert all(f"word{n} ☕" in told for n in range(300))
    assert threading.get_ident() not in threads
    assert longest < 2000
