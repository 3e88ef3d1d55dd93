"""Deleting, restoring, destroying; and the sound alone."""

from __future__ import annotations

import httpx

from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

INNER = ("", "/segments", "/audio", "/waveform", "/export", "/participants", "/events")


async def uploaded(client: httpx.AsyncClient, services: Services) -> str:
    sound = wav_of(scripted_sound(sentence("alpha bravo", 0.5)))
    made = await client.post("/v1/transcripts/", files={"file": ("talk.wav", sound)})
    transcript_id: str = made.json()["id"]
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    return transcript_id


async def test_what_is_deleted_is_found_nowhere_but_in_the_bin(client: httpx.AsyncClient, services: Services) -> None:
    transcript_id = await uploaded(client, services)
    path = f"/v1/transcripts/{transcript_id}"
    before = (await client.get(path)).json()
    not_deleted = await client.post(f"{path}/restore")
    assert (not_deleted.status_code, not_deleted.json()["error"]["message"]) == (409, "Transcript is not deleted")
    too_early = await client.delete(f"{path}/destroy")
    assert (too_early.status_code, "soft-deleted first" in too_early.json()["error"]["message"]) == (409, True)

    assert (await client.delete(path)).status_code == 204
    for inner in INNER:
        assert (await client.get(path + inner)).status_code == 404, inner
    assert (await client.delete(path)).status_code == 404
    assert (await client.patch(path, json={"name": "x"})).status_code == 404
    assert (await client.post(f"/v1/transcripts_audio/{transcript_id}/upload", content=b"x")).status_code == 404
    assert (await client.get("/v1/transcripts")).json()["total"] == 0
    [binned] = (await client.get("/v1/transcripts?include_deleted=true")).json()["items"]
    assert (binned["id"], binned["deleted_at"] is not None) == (transcript_id, True)

    restored = await client.post(f"{path}/restore/")
    assert restored.status_code == 200
    assert {**restored.json(), "change_seq": 0, "updated_at": "", "data": {}} == {
        **before,
        "change_seq": 0,
        "updated_at": "",
        "data": {},
    }
    assert "alpha bravo" in (await client.get(f"{path}/export")).text
    assert (await client.get(f"{path}/audio")).status_code == 200


async def test_what_is_destroyed_leaves_a_trace_for_those_that_keep_copies(
    client: httpx.AsyncClient, services: Services
) -> None:
    transcript_id = await uploaded(client, services)
    path = f"/v1/transcripts/{transcript_id}"
    seen = (await client.get(path)).json()["change_seq"]
    await client.delete(path)
    assert (await client.delete(f"{path}/destroy")).status_code == 204
    for call in (client.post(f"{path}/restore"), client.delete(f"{path}/destroy"), client.get(path)):
        assert (await call).status_code == 404
    assert not list(services.settings.recordings_dir.iterdir())
    assert (await client.get("/v1/transcripts?include_deleted=true")).json()["items"] == []
    changes = (await client.get(f"/v1/transcripts?include_deleted=true&change_seq_from={seen}")).json()["items"]
    [told] = changes
    assert (told["id"], told["name"], told["destroyed_at"] is not None) == (transcript_id, "", True)


async def test_the_sound_goes_and_the_words_stay(client: httpx.AsyncClient, services: Services) -> None:
    kept, patched = [f"/v1/transcripts/{await uploaded(client, services)}" for _ in range(2)]
    assert (await client.delete(f"{kept}/audio")).status_code == 204
    assert (await client.patch(patched, json={"audio_deleted": True})).json()["audio_deleted"] is True
    assert (await client.patch(patched, json={"audio_deleted": False})).status_code == 409
    for path in (kept, patched):
        transcript_id = path.rsplit("/", 1)[-1]
        for sound in (
            f"{path}/audio",
            f"{path}/waveform",
            f"/v1/transcripts_audio/{transcript_id}/download",
            f"/v1/transcripts_audio/{transcript_id}/stream",
        ):
            gone = await client.get(sound)
            assert (gone.status_code, gone.json()["error"]["message"]) == (
                404,
                "Audio unavailable due to privacy settings",
            ), sound
        record = (await client.get(path)).json()
        assert (record["audio_deleted"], record["duration"] > 0) == (True, True)
        assert "alpha bravo" in (await client.get(f"{path}/export")).text
        more = wav_of(scripted_sound(sentence("alpha", 0.5)))
        refused = await client.post(f"/v1/transcripts_audio/{transcript_id}/upload", files={"file": ("a.wav", more)})
        assert refused.status_code == 409
    assert not list(services.settings.recordings_dir.glob("*/*"))
