"""Sound over REST: uploads in every way, and a WAV that players can seek in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from protocol.states import TranscriptState
from server.services import Services
from server.settings import Settings
from tests.fakes.kept_track import kept_track
from tests.fakes.node import new_client, node_settings, wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.media.made_files import make


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return node_settings(tmp_path_factory.mktemp("node"), upload_max_mb=1)


@pytest.fixture
def pcm() -> bytes:
    return scripted_sound(sentence("alpha bravo", 0.5))


@pytest.fixture
async def recorded(client: httpx.AsyncClient, services: Services, pcm: bytes) -> str:
    """The id of a transcript with this sound."""
    transcript_id = str((await client.post("/v1/transcripts/")).json()["id"])
    response = await client.post(
        f"/v1/transcripts_audio/{transcript_id}/upload", files={"file": ("talk.wav", wav_of(pcm))}
    )
    assert response.status_code == 201
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    return transcript_id


@pytest.mark.parametrize("way", ["file", "chunk", "raw"])
async def test_a_recording_is_taken_in_each_way(
    client: httpx.AsyncClient, services: Services, pcm: bytes, way: str
) -> None:
    transcript_id = (await client.post("/v1/transcripts/")).json()["id"]
    path = f"/v1/transcripts_audio/{transcript_id}/upload"
    if way == "raw":
        response = await client.post(path, content=wav_of(pcm), headers={"X-Filename": "../../etc/caf%C3%A9.wav"})
    else:
        response = await client.post(path, files={way: ("..\\..\\talk.wav", wav_of(pcm), "audio/wav")})
    assert response.status_code == 201
    assert response.json()["track_id"] == response.json()["data"]["tracks"][0]["id"]
    assert response.json()["data"]["tracks"][0]["name"] == ("café.wav" if way == "raw" else "talk.wav")
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    assert (await client.get(f"/v1/transcripts/{transcript_id}")).json()["data"]["words"] == 2
    assert not list((services.settings.data_dir / "incoming").iterdir())


async def test_what_is_no_sound_or_too_much_is_refused_and_not_kept(
    client: httpx.AsyncClient, services: Services
) -> None:
    transcript_id = (await client.post("/v1/transcripts/")).json()["id"]
    path = f"/v1/transcripts_audio/{transcript_id}/upload"

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(64 * 1024)

    assert (await client.post(path)).status_code == 400
    assert (await client.post(path, content=b"ffconcat version 1.0\nfile /etc/passwd\n")).status_code == 400
    assert (await client.post(path, content=endless())).status_code == 413
    assert (await client.post(path, files={"file": ("a.wav", bytes(1_200_000))})).status_code == 413
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await client.post(path, content=cut, headers=headers)).status_code == 400
    assert not list((services.settings.data_dir / "incoming").iterdir())
    assert (await client.get(f"/v1/transcripts/{transcript_id}")).json()["data"]["tracks"] == []


@pytest.mark.parametrize(
    "template", ["/v1/transcripts/{}/audio", "/v1/transcripts_audio/{}/stream", "/v1/transcripts_audio/{}/download"]
)
async def test_the_whole_and_its_ranges(client: httpx.AsyncClient, recorded: str, pcm: bytes, template: str) -> None:
    path = template.format(recorded)
    whole = await client.get(path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/wav")
    assert whole.content[44:] == pcm
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    for header, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=44-", 44, size),
        ("bytes=-100", size - 100, size),
        ("bytes=40-50000000", 40, size),
        (f"bytes=-{size * 2}", 0, size),
    ):
        part = await client.get(path, headers={"Range": header})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.content == whole.content[start:end]
    head = await client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    kind = "attachment" if "download" in path else "inline"
    assert whole.headers["content-disposition"] == f'{kind}; filename="{recorded}.wav"'
    await client.patch(f"/v1/transcripts/{recorded}", json={"name": "Talk"})
    assert (await client.head(path)).headers["content-disposition"] == f'{kind}; filename="Talk.wav"'


async def test_every_door_tells_the_same_duration(client: httpx.AsyncClient, recorded: str, pcm: bytes) -> None:
    path = f"/v1/transcripts/{recorded}"
    transcript = (await client.get(path)).json()["data"]
    told = {
        "transcript": transcript["duration"],
        "track": transcript["tracks"][0]["duration"],
        "export": (await client.get(f"{path}/export?format=json")).json()["duration"],
        "waveform": (await client.get(f"{path}/waveform")).json()["duration"],
    }
    assert set(told.values()) == {round(len(pcm) / 32_000, 3)}, told


async def test_ranges_that_cannot_be_and_versions(client: httpx.AsyncClient, recorded: str) -> None:
    path = f"/v1/transcripts/{recorded}/audio"
    whole = await client.get(path)
    beyond = await client.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    assert beyond.json()["error"]["code"] == "RANGE_NOT_SATISFIABLE"
    etag = whole.headers["etag"]
    assert (await client.get(path, headers={"If-None-Match": etag})).status_code == 304
    assert (await client.get(path, headers={"Range": "bytes=0-1", "If-Range": etag})).status_code == 206
    assert (await client.get(path, headers={"Range": "bytes=0-1", "If-Range": '"old"'})).status_code == 200
    several = await client.get(path, headers={"Range": "bytes=0-1,500-501"})
    assert (several.status_code, several.headers["content-type"][:20]) == (206, "multipart/byteranges")
    # The header has the length, so it tells versions apart; a date would not while sound is added each second.
    assert "last-modified" not in whole.headers


async def test_tracks_of_others_are_not_found(client: httpx.AsyncClient, services: Services, recorded: str) -> None:
    (track,) = await services.store.tracks_of(recorded)
    other = (await client.post("/v1/transcripts/")).json()["id"]
    assert (await client.get(f"/v1/transcripts/{recorded}/audio?track={track.id}")).status_code == 200
    assert (await client.get(f"/v1/transcripts/{recorded}/audio?track=trk_no")).status_code == 404
    assert (await client.get(f"/v1/transcripts/{other}/audio?track={track.id}")).status_code == 404


async def test_the_waveform_follows_the_sound(client: httpx.AsyncClient, recorded: str, pcm: bytes) -> None:
    body = (await client.get(f"/v1/transcripts/{recorded}/waveform?count=50")).json()
    assert len(body["data"]) == 50
    assert max(body["data"]) > 0.05
    assert all(0 <= peak <= 1 for peak in body["data"])
    assert body["duration"] == round(len(pcm) / 32000, 3)
    assert (await client.get(f"/v1/transcripts/{recorded}/waveform?count=0")).status_code == 422


async def test_the_upload_itself_is_given_as_it_came(client: httpx.AsyncClient, services: Services, pcm: bytes) -> None:
    transcript_id = (await client.post("/v1/transcripts/")).json()["id"]
    flac = make("flac", 0.5)
    named = {"file": ("<b>Gespräch</b>.html", flac, "text/html")}
    assert (await client.post(f"/v1/transcripts_audio/{transcript_id}/upload", files=named)).status_code == 201
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    for query in ("original=true", "format=original"):
        given = await client.get(f"/v1/transcripts_audio/{transcript_id}/download?{query}")
        assert (given.content, given.headers["content-type"]) == (flac, "audio/flac")
        disposition = given.headers["content-disposition"]
        assert disposition.startswith("attachment;")
        assert ".flac" in disposition
        assert "<" not in disposition
    part = await client.get(
        f"/v1/transcripts_audio/{transcript_id}/stream?format=original", headers={"Range": "bytes=-4"}
    )
    assert (part.status_code, part.content) == (206, flac[-4:])
    # A stranger's file is never shown by a browser as part of this server's pages.
    assert part.headers["content-disposition"].startswith("attachment;")
    [track] = (await client.get(f"/v1/transcripts/{transcript_id}")).json()["data"]["tracks"]
    assert track["formats"] == ["wav", "mp3", "original"]


async def test_mp3_is_said_to_be_what_it_is(client: httpx.AsyncClient, services: Services, recorded: str) -> None:
    for path in (f"/v1/transcripts/{recorded}/audio/mp3", f"/v1/transcripts_audio/{recorded}/download?format=mp3"):
        mp3 = await client.get(path)
        assert (mp3.status_code, mp3.headers["content-type"]) == (200, "audio/mpeg")
        assert mp3.content[:3] == b"ID3" or mp3.content[0] == 0xFF
        assert ".mp3" in mp3.headers["content-disposition"]
    ranged = await client.get(f"/v1/transcripts/{recorded}/audio/mp3", headers={"Range": "bytes=10-19"})
    assert (ranged.status_code, ranged.content) == (206, mp3.content[10:20])
    head = await client.head(f"/v1/transcripts/{recorded}/audio/mp3")
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(mp3.content)), mp3.headers["etag"])

    speaker = await new_client(services)
    await speaker.begin()
    await speaker.say(scripted_sound(sentence("charlie", 0.2)))
    live = f"/v1/transcripts/{speaker.transcript_id}"
    async with asyncio.timeout(30):
        given = await client.get(f"{live}/audio/mp3")
        while len(given.content) <= 44:
            await asyncio.sleep(0.02)
            given = await client.get(f"{live}/audio/mp3")
    assert (given.headers["content-type"], given.content[:4]) == ("audio/wav", b"RIFF")
    assert ".wav" in given.headers["content-disposition"]
    refused = await client.get(f"{live}/audio?format=mp3")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    await speaker.stop()


async def test_sound_that_was_removed_is_said_to_be_private(
    client: httpx.AsyncClient, services: Services, recorded: str
) -> None:
    await services.store.remove_audio(recorded)
    for path in ("audio", "audio/mp3", "waveform", "audio/waveform"):
        gone = await client.get(f"/v1/transcripts/{recorded}/{path}")
        assert (gone.status_code, gone.json()["error"]["message"]) == (404, "Audio unavailable due to privacy settings")
    assert [
        track["formats"] for track in (await client.get(f"/v1/transcripts/{recorded}")).json()["data"]["tracks"]
    ] == [[]]


async def test_the_short_waveform_has_as_many_peaks_as_neighbours_draw(
    client: httpx.AsyncClient, recorded: str
) -> None:
    body = (await client.get(f"/v1/transcripts/{recorded}/audio/waveform/")).json()
    assert len(body["data"]) == 255
    assert all(0 <= peak <= 1 for peak in body["data"])
    assert (await client.head(f"/v1/transcripts/{recorded}/audio/waveform")).status_code == 200


async def two_tracks(services: Services) -> tuple[str, npt.NDArray[np.int64]]:
    """The id of a transcript of Anna and of Ben, who came a quarter of a second later, and the sum of both."""
    transcript_id = (await services.store.create_transcript(name="weekly.wav")).id
    sums = np.zeros(20_000, np.int64)
    for number, (speaker, start) in enumerate((("Anna", 0), ("Ben", 4000))):
        sound = np.random.default_rng(number).integers(-10_000, 10_000, 16_000).astype("<i2")
        sums[start : start + len(sound)] += sound
        await kept_track(services, transcript_id, speaker, sound.tobytes(), started_at=1000 + start / 16_000)
    return transcript_id, sums


async def test_several_tracks_are_mixed_where_none_is_asked_for(client: httpx.AsyncClient, services: Services) -> None:
    transcript_id, sums = await two_tracks(services)
    path, download = f"/v1/transcripts/{transcript_id}", f"/v1/transcripts_audio/{transcript_id}/download"
    wav = await client.get(f"{path}/audio")
    assert (wav.status_code, wav.content[44:]) == (200, sums.astype("<i2").tobytes())
    part = await client.get(f"{path}/audio", headers={"Range": "bytes=8000-9001", "If-Range": wav.headers["etag"]})
    assert (part.status_code, part.content) == (206, wav.content[8000:9002])
    mp3 = await client.get(f"{path}/audio/mp3")
    assert (mp3.status_code, mp3.headers["content-type"]) == (200, "audio/mpeg")
    assert (await client.get(download, params={"format": "mp3"})).headers["etag"] == mp3.headers["etag"]
    for form in ("ogg", "original"):
        assert (await client.get(download, params={"format": form})).status_code in (404, 409)
    told = (await client.get(f"{path}/waveform?count=10")).json()
    assert (told["track"], told["duration"], max(told["data"])) == (
        None,
        1.25,
        round(int(np.abs(sums).max()) / 32_768, 4),
    )
    record = (await client.get(path)).json()["data"]
    assert (record["mix"], record["duration"]) == ({"duration": 1.25, "formats": ["wav", "mp3"]}, 1.25)

    # Each is there alone, too, under a name of its own: that of the voice as it is called now.
    [anna, ben] = [track["id"] for track in record["tracks"]]
    assert (await client.post(f"{path}/participants", json={"speaker": "Ben", "name": "Bénédicte"})).status_code == 201
    await client.patch(path, json={"title": "The week"})
    for query, name in (
        ("", "The week"),
        (f"?track={anna}", "The week - Anna"),
        (f"?track={ben}", "The week - Benedicte"),
    ):
        given = await client.get(download + query)
        assert f'filename="{name}.wav"' in given.headers["content-disposition"]
        assert len(given.content) == 44 + 2 * (16_000 if query else 20_000)

    timed = await client.get(f"{path}/export?format=text-timestamped")
    assert 'filename="The week - timestamped.txt"' in timed.headers["content-disposition"]
    await client.patch(path, json={"title": "w" * 300})
    plain, timed = [await client.get(f"{path}/export?format={form}") for form in ("text", "text-timestamped")]
    assert 'www.txt"' in plain.headers["content-disposition"]
    assert 'www - timestamped.txt"' in timed.headers["content-disposition"]

    # While somebody speaks it is the sound of one, as it comes.
    await services.store.update_track(ben, state="open")
    assert len((await client.get(f"{path}/audio")).content) == 44 + 32_000
    assert (await client.get(path)).json()["data"]["mix"] is None
    await services.store.update_track(ben, state="finished")

    assert list(services.settings.recordings_dir.glob("*/mix-*.mp3"))

    # Of three, one whose recording is lost is left out of what is told and of what is given, which breaks off nowhere.
    await kept_track(services, transcript_id, "Carla", bytes(1600), started_at=1003)
    (services.settings.recordings_dir / transcript_id / anna).unlink()
    record = (await client.get(path)).json()["data"]
    assert [track["formats"] for track in record["tracks"]] == [[], ["wav", "mp3"], ["wav", "mp3"]]
    assert record["mix"]["duration"] == 3.05  # from Anna's beginning on, as times of words are
    assert len((await client.get(f"{path}/audio")).content) == 44 + 2 * 48_800
    assert (await client.get(f"{path}/waveform?count=10")).json()["track"] is None
    assert (await client.get(f"{path}/audio?track={anna}")).status_code == 404
    carla = record["tracks"][2]["id"]
    (services.settings.recordings_dir / transcript_id / carla).unlink()
    assert (await client.get(path)).json()["data"]["mix"] is None
    assert len((await client.get(f"{path}/audio")).content) == 44 + 32_000  # of Ben alone
    assert (await client.get(f"{path}/audio/mp3")).status_code == 200
    assert (await client.delete(f"{path}/audio")).status_code == 204
    assert not (services.settings.recordings_dir / transcript_id).exists()
    assert (await client.get(f"{path}/audio")).status_code == 404
    assert (await client.get(path)).json()["data"]["mix"] is None
