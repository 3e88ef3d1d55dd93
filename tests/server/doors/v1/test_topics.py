"""Topics over REST, in the documented forms."""

from __future__ import annotations

import httpx

from server.services import Services
from tests.server.doors.v1.test_participants import path

__all__ = ["path"]


async def test_topics_their_words_and_who_says_them(client: httpx.AsyncClient, path: str, services: Services) -> None:
    await services.store.create_track(
        path.rsplit("/", 1)[1], source="stream", started_at=1000.0, track_id="trk_1", speaker="Speaker 1"
    )
    await client.post(f"{path}/participants", json={"name": "Ann", "speaker": 1})
    [topic] = (await client.get(f"{path}/topics/")).json()
    assert set(topic) == {"id", "title", "summary", "timestamp", "duration", "transcript", "segments"}
    assert (topic["title"], topic["timestamp"], topic["duration"]) == ("Hello", 2.0, 2.188)
    assert topic["transcript"] == "hello there you hello there you"
    assert topic["segments"][0] == {
        "segment_id": "seg_1",
        "text": "hello there you",
        "start": 2.0,
        "speaker": "Ann",
        "speaker_label": "Speaker 1",
    }
    [worded] = (await client.get(f"{path}/topics/with-words")).json()
    assert {key: worded[key] for key in topic} == topic
    assert worded["words"][0] == {
        "text": "hello",
        "start": 2.0,
        "end": 2.062,
        "speaker": "Ann",
        "speaker_label": "Speaker 1",
    }
    one = (await client.get(f"{path}/topics/{topic['id']}/words-per-speaker")).json()
    assert [(run["speaker"], [word["text"] for word in run["words"]]) for run in one["words_per_speaker"]] == [
        ("Ann", ["hello", "there", "you"]),
        ("Speaker 2", ["hello", "there", "you"]),
    ]
    assert (await client.get(f"{path}/topics?offset=1")).json() == []
    assert (await client.get(f"{path}/topics/top_0/words-per-speaker")).status_code == 404
    assert (await client.get("/v1/transcripts/00000000-0000-4000-8000-000000000000/topics")).status_code == 404
