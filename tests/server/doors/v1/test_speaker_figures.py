"""Figures of speakers over REST, in the documented form."""

from __future__ import annotations

import httpx

from tests.server.doors.v1.test_participants import MISSING, path

__all__ = ["path"]


async def test_how_much_each_speaks_under_their_names(client: httpx.AsyncClient, path: str) -> None:
    await client.post(f"{path}/participants", json={"name": "Ann", "speaker": 1})
    figures = {"talk_time": 0.188, "share": 0.5, "turns": 1, "longest_turn": 0.188, "words": 3}
    unseen = {"words_per_minute": 960.0, "interruptions": None, "interrupted": None}
    assert (await client.get(f"{path}/speaker/figures")).json() == {
        "talk_time": 0.375,
        "overlap_s": 0.0,
        "speakers": [
            {"speaker": "Ann", "speaker_label": "Speaker 1", "speaker_number": 1, **figures, **unseen},
            {"speaker": "Speaker 2", "speaker_label": "Speaker 2", "speaker_number": 2, **figures, **unseen},
        ],
    }
    await client.post(f"{path}/speaker/merge", json={"speaker_from": 2, "speaker_to": 1})
    found = (await client.get(f"{path}/speaker/figures")).json()
    assert [(each["speaker"], each["turns"], each["share"]) for each in found["speakers"]] == [("Ann", 1, 1.0)]


async def test_nothing_said_and_nothing_there(client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/transcripts", json={})).json()["id"]
    answer = await client.get(f"/v1/transcripts/{made}/speaker/figures")
    assert answer.json() == {"talk_time": 0.0, "overlap_s": 0.0, "speakers": []}
    assert (await client.get(f"/v1/transcripts/{MISSING}/speaker/figures")).status_code == 404
