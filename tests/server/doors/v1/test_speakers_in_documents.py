"""Who is said to speak is the same in every form, also after a pass gave words to another and cut a segment."""

from __future__ import annotations

import httpx
import pytest

from server.services import Services
from server.store.records import VoicesAsked
from tests.server.spoken_prints import Speech

LINES = [("Ann <b>", "one two three four"), ("Speaker 2", "five six seven eight nine"), ("Ann <b>", "ten go on now")]


@pytest.fixture
async def path(services: Services) -> str:
    """Of a transcript of two voices that were taken for one, until a pass found them; the first was named."""
    made = (await services.store.create_transcript()).id
    track = await services.store.create_track(
        made,
        source="stream",
        started_at=1000.0,
        track_id="trk_9",
        speaker="Speaker 1",
        voices=VoicesAsked(diarize=True),
        state="finished",
    )
    speech = Speech(services.store, made, track.id)
    await speech.say("one two three four", 0, 0)
    await speech.say("five six seven eight nine ten go on now", 0, [1] * 5 + [0] * 4)
    return f"/v1/transcripts/{made}"


async def test_every_form_has_the_same_speakers(client: httpx.AsyncClient, path: str) -> None:
    await client.post(f"{path}/participants", json={"name": "Ann <b>", "speaker": 1})
    done = (await client.post(f"{path}/speaker/relabel", json={"speakers_expected": 2})).json()
    assert (done["voices"], done["split"]) == (2, 1)

    async def form(name: str) -> httpx.Response:
        return (await client.get(f"{path}/export", params={"format": name})).raise_for_status()

    assert (await form("txt")).text == "".join(f"{who}: {text}\n" for who, text in LINES)
    timed = [line.partition("] ")[2] for line in (await form("text-timestamped")).text.splitlines()]
    assert timed == [f"{who}: {text}" for who, text in LINES]
    document = (await form("json")).json()
    assert [(each["speaker"], each["text"]) for each in document["segments"]] == LINES
    assert [each["speaker_label"] for each in document["segments"]] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert all(0 <= each["speaker_confidence"] <= 1 for each in document["segments"])
    assert document["speakers"] == (await client.get(f"{path}/speaker/figures")).json()["speakers"]
    assert [(each["speaker"], each["words"], each["turns"]) for each in document["speakers"]] == [
        ("Ann <b>", 8, 2),
        ("Speaker 2", 5, 1),
    ]
    srt = (await form("srt")).text
    assert [block.splitlines()[2] for block in srt.split("\n\n")] == [
        f"{who.replace('<', '‹').replace('>', '›')}: {text}" for who, text in LINES
    ]
    vtt = (await form("vtt")).text
    assert [line for line in vtt.splitlines() if line.startswith("<v ")] == [
        f"<v {who.replace('<', '&lt;').replace('>', '&gt;')}>{text}</v>" for who, text in LINES
    ]
    segments = (await client.get(f"{path}/segments")).json()["items"]
    assert [(each["speaker"], each["text"]) for each in segments] == LINES
    topics = (await client.get(f"{path}/topics")).json()
    assert [(each["speaker"], each["text"]) for each in topics[0]["segments"]] == LINES
