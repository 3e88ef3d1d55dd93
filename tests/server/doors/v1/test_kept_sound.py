"""What came as Opus is kept as Opus: on disk, downloaded as WAV and as Ogg, and heard again after a crash."""

from __future__ import annotations

import io
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import numpy.typing as npt
import pytest

from media.track_file import SAMPLES, scan
from protocol.states import TranscriptState
from protocol.wire.stream import Control, Encoding
from server.live import SourceOptions
from server.peer_source import Described
from server.services import Services
from tests.fakes.node import Client, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.media.opus_sound import opus_packets
from tests.net.rtc_client import RtcClient

SENTENCE = sentence("alpha bravo charlie", 0.6)
SOUND = scripted_sound(SENTENCE, length_s=2.2)


async def speak_over_webrtc(services: Services, client: Client, *, resume: str | None = None) -> Described:
    """Says the sentence and hangs up; the session waits for whoever comes back."""
    made: list[Described] = []

    async def exchange(sdp: str, type_: str) -> tuple[str, str]:
        made.append(await services.peers.answer(client.transcript_id, sdp, type_, SourceOptions(), resume_token=resume))
        return made[0].sdp, made[0].type

    async with RtcClient(SOUND) as peer:
        await peer.connect(exchange)
        await peer.wait_message(lambda text: '"is_final":true' in text)
    return made[0]


async def stop_all(services: Services, transcript_id: str) -> None:
    for session in list(services.hub.sessions.values()):
        await session.stop()
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)


async def formats_of(client: httpx.AsyncClient, speaker: Client) -> list[str]:
    """What the transcript says that its one track can be had as."""
    [track] = (await client.get(f"/v1/transcripts/{speaker.transcript_id}")).json()["data"]["tracks"]
    formats: list[str] = track["formats"]
    return formats


async def path_of(services: Services, transcript_id: str) -> Path:
    [track] = await services.store.tracks_of(transcript_id)
    return services.hub.recording_path(track)


def loud(sound: npt.NDArray[Any], window: int) -> npt.NDArray[np.bool_]:
    """Whether each window is loud."""
    whole = sound[: len(sound) // window * window].reshape(-1, window)
    return np.asarray(np.abs(whole).max(axis=1) > 0.02)


async def test_a_voice_over_webrtc_is_kept_as_it_came_and_given_in_both_forms(
    client: httpx.AsyncClient, services: Services
) -> None:
    speaker = await new_client(services)
    await speak_over_webrtc(services, speaker)
    await stop_all(services, speaker.transcript_id)
    base = f"/v1/transcripts/{speaker.transcript_id}/audio"
    assert await formats_of(client, speaker) == ["wav", "mp3", "ogg"]

    wav = await client.get(base)
    with wave.open(io.BytesIO(wav.content)) as file:
        length_s = file.getnframes() / 16_000
    path = await path_of(services, speaker.transcript_id)
    assert length_s > 1.8
    assert path.stat().st_size < len(wav.content) / 3  # of 96 kbit/s by aiortc's encoder, each packet in a page here

    ogg = await client.get(base, params={"format": "ogg"})
    assert (ogg.status_code, ogg.headers["content-type"]) == (200, "audio/ogg")
    assert ogg.headers["content-disposition"] == 'inline; filename="test.ogg"'
    assert ogg.content == path.read_bytes()
    with av.open(io.BytesIO(ogg.content), "r") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / 48_000 == pytest.approx(length_s, abs=0.003)
    ours = np.frombuffer(wav.content[44:], "<i2").astype(np.float32) / 32768
    same = loud(ours, 1_600)[:-1] == loud(sound, 4_800)[: len(ours) // 1_600 - 1]
    assert np.mean(same) > 0.9

    part = await client.get(base, params={"format": "ogg"}, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, ogg.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(ogg.content)}"
    assert part.headers["etag"] == ogg.headers["etag"] != wav.headers["etag"]
    head = await client.head(base, params={"format": "ogg"})
    assert head.headers["content-length"] == str(len(ogg.content))
    download = f"/v1/transcripts_audio/{speaker.transcript_id}/download?format=ogg"
    assert (await client.get(download)).headers["content-disposition"].startswith("attachment;")
    peaks = (await client.get(f"/v1/transcripts/{speaker.transcript_id}/waveform?count=20")).json()["data"]
    assert max(peaks) > 0.1
    mp3 = await client.get(base, params={"format": "mp3"})
    assert (mp3.status_code, mp3.headers["content-type"]) == (200, "audio/mpeg")
    assert (await client.get(base, params={"format": "original"})).status_code == 404
    assert (await client.get(base, params={"format": "aiff"})).status_code == 422


async def test_a_track_of_two_kinds_of_sources_is_one_wav_and_no_ogg(
    client: httpx.AsyncClient, services: Services
) -> None:
    speaker = await new_client(services)
    described = await speak_over_webrtc(services, speaker)
    await speak_over_webrtc(services, speaker, resume=described.resume_token)
    await speaker.begin(resume=described.resume_token)
    await speaker.say(SOUND)
    await speaker.control(Control.FINALIZE)
    await speaker.wait_for(lambda speaker: bool(speaker.of("finalized")))
    await speak_over_webrtc(services, speaker, resume=described.resume_token)
    await stop_all(services, speaker.transcript_id)
    assert texts(await words_of(services, speaker.transcript_id)) == " ".join(["alpha bravo charlie"] * 4)

    with (await path_of(services, speaker.transcript_id)).open("rb") as file:
        pieces = [piece for piece in scan(file) if piece.length_samples]
    streams = [piece.stream for piece in pieces]
    assert [kind for index, kind in enumerate(streams) if index == 0 or streams[index - 1] != kind] == [1, SAMPLES, 2]
    for before, after in pairwise(pieces):
        # Where a peer came back, and where packets were missing, silence fills the stream to the sample.
        assert after.stream != before.stream or after.start_samples == before.end_samples
    base = f"/v1/transcripts/{speaker.transcript_id}/audio"
    assert await formats_of(client, speaker) == ["wav", "mp3"]
    refused = await client.get(base, params={"format": "ogg"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    wav = await client.get(base)
    assert SOUND in wav.content
    [track] = await services.store.tracks_of(speaker.transcript_id)
    assert len(wav.content) == 44 + 2 * track.length_samples


async def test_opus_cut_short_by_a_crash_is_heard_again_from_its_packets(tmp_path: Path) -> None:
    sentences = sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0)
    packets = opus_packets(scripted_sound(sentences))
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        speaking = await client.begin(encoding=Encoding.OPUS, sample_rate=48_000)
        for packet in packets[:110]:
            await speaking.audio(packet)
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: bool(client.of("finalized")))
        for packet in packets[110:]:
            await speaking.audio(packet)
    async with running_services(tmp_path, resume_grace_s=0) as services:
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        said = texts(await words_of(services, client.transcript_id))
        assert said == "alpha bravo charlie delta echo foxtrot golf"
        path = await path_of(services, client.transcript_id)
        assert path.read_bytes().startswith(b"OggS")
        [track] = await services.store.tracks_of(client.transcript_id)
        assert track.length_samples == len(packets) * 320


async def test_a_pause_is_silence_in_the_same_stream(tmp_path: Path) -> None:
    packets = opus_packets(scripted_sound(sentence("alpha bravo charlie delta", 0.5)))
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        speaking = await client.begin(encoding=Encoding.OPUS, sample_rate=48_000)
        for kind, some in ((None, packets[:50]), (Control.PAUSE, packets[50:80]), (Control.RESUME, packets[80:])):
            if kind is not None:
                await client.control(kind)
            for packet in some:
                await speaking.audio(packet)
        await client.stop()
        path = await path_of(services, client.transcript_id)
    with av.open(str(path), format="ogg") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) == len(packets) * 960
    assert not sound[51 * 960 : 80 * 960].any()
    assert np.abs(sound[30 * 960 : 50 * 960]).max() > 0.02
