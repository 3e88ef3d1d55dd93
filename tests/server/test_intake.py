from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

from protocol.errors import AudioFormatError, NotFound
from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import events_of, new_client, running_services, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

WORDS = [word for at in range(0, 60, 5) for word in sentence("alpha bravo charlie", at + 0.5)]
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(WORDS)]


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(pcm)
    return path


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path / "data") as services:
        yield services


async def test_a_file_gives_every_word_at_its_time_and_tells_its_progress(services: Services, tmp_path: Path) -> None:
    client = await new_client(services)
    path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
    track_id = await services.intake.add_file(client.transcript_id, path, filename="../talk.wav")
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert await words_of(services, client.transcript_id) == EXPECTED
    [track] = await services.store.tracks_of(client.transcript_id)
    assert (track.id, track.name, track.state) == (track_id, "talk.wav", "finished")
    progress = [e.body.progress for e in await events_of(services, client.transcript_id) if e.body.type == "status"]
    assert progress == sorted(progress)
    assert progress[-1] == 100.0
    assert any(0.0 < percent < 100.0 for percent in progress)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"<html>not sound</html>", b"ffconcat version 1.0\nfile secret.wav\n"])
async def test_what_holds_no_sound_is_refused_before_anything_is_kept(
    services: Services, tmp_path: Path, content: bytes
) -> None:
    client = await new_client(services)
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFormatError):
        await services.intake.add_file(client.transcript_id, path, filename="broken.wav")
    assert await services.store.tracks_of(client.transcript_id) == []
    assert path.exists()


async def test_a_file_that_was_cut_gives_what_it_has_and_says_so(services: Services, tmp_path: Path) -> None:
    client = await new_client(services)
    whole = io.BytesIO()
    with av.open(whole, "w", format="flac") as flac:
        stream = flac.add_stream("flac", rate=16000, layout="mono")
        samples = np.frombuffer(scripted_sound(WORDS), "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16000
        flac.mux(stream.encode(frame))
        flac.mux(stream.encode(None))
    path = tmp_path / "cut.flac"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    await services.intake.add_file(client.transcript_id, path, filename="cut.flac")
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    words = await words_of(services, client.transcript_id)
    assert 0 < len(words) < len(EXPECTED)
    [error] = [e.body for e in await events_of(services, client.transcript_id) if e.body.type == "error"]
    assert (error.code, error.recoverable) == ("AUDIO_FORMAT_ERROR", True)
    assert error.details["heard_s"] < error.details["declared_s"]


async def test_a_file_for_no_transcript_is_refused(services: Services, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
    with pytest.raises(NotFound):
        await services.intake.add_file("00000000-0000-4000-8000-000000000000", path, filename="talk.wav")


async def test_a_file_deleted_on_its_way_leaves_nothing(services: Services, tmp_path: Path) -> None:
    client = await new_client(services)
    path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
    await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
    await services.removal.discard(client.transcript_id)
    assert not (services.settings.recordings_dir / client.transcript_id).exists()


async def test_a_node_that_stops_in_the_middle_of_a_file_lets_go_of_everything(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
        next(iter(services.hub.sessions.values())).finish_soon()  # cancelled before it has run
