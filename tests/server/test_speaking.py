"""Speaking sockets without the socket: a real store, recorder and inference process behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from protocol.errors import AudioFormatError, Conflict, Draining, EarshotError, NotFound, Overloaded, Replaced
from protocol.states import TranscriptState
from protocol.wire.stream import Control
from server import endings, live
from server.live import SourceOptions
from server.services import Services
from tests.fakes.node import (
    Client,
    events_of,
    new_client,
    node_settings,
    running_services,
    texts,
    wait_for_state,
    words_of,
)
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.wav import wav_of

SENTENCE = sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0)
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(SENTENCE)]


@pytest.fixture(scope="module")
def sound() -> bytes:
    return scripted_sound(SENTENCE)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path) as services:
        yield services


async def test_every_word_comes_once_at_its_time_and_every_sample_is_acknowledged(
    services: Services, sound: bytes
) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(sound)
    stopped = await client.stop()

    assert await words_of(services, client.transcript_id) == EXPECTED
    assert stopped == {"duration": len(sound) / 32000, "segments": 2, "words": 7}
    assert client.of("started")[0]["position"] == 0
    assert client.of("ack")[-1] == {"position": len(sound) // 2}
    positions = [ack["position"] for ack in client.of("ack")]
    assert positions == sorted(positions)
    transcript = await services.store.get_transcript(client.transcript_id)
    assert (transcript.state, transcript.words) == (TranscriptState.ENDED, 7)


async def test_readers_are_told_each_state_once_and_in_order(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(sound)
    await client.stop()
    events = await events_of(services, client.transcript_id)
    states = [event.body.state.value for event in events if event.body.type == "status" and event.body.message]
    assert [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state] == [
        "recording",
        "processing",
        "ended",
    ]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.body.type for event in events].count("diarization") == 1


@pytest.mark.parametrize(
    ("encoding", "sample_rate", "channels"),
    [("pcm_s16le", 48000, 2), ("pcm_f32le", 44100, 1), ("pcm_s32le", 16000, 1), ("pcm_s16le", 8000, 1)],
)
async def test_other_forms_of_sound_give_the_same_words(
    services: Services, encoding: str, sample_rate: int, channels: int
) -> None:
    mono = np.frombuffer(scripted_sound(SENTENCE, sample_rate=sample_rate), "<i2")
    samples = np.repeat(mono, channels)
    data = {
        "pcm_s16le": samples,
        "pcm_s32le": samples.astype("<i4") << 16,
        "pcm_f32le": (samples / 32768).astype("<f4"),
    }[encoding].tobytes()
    client = await new_client(services)
    await client.begin(encoding=encoding, sample_rate=sample_rate, channels=channels)
    await client.say(data)
    await client.stop()
    words = await words_of(services, client.transcript_id)
    assert [text for text, _ in words] == [text for text, _ in EXPECTED]
    assert all(abs(at - wanted) <= 640 for (_, at), (_, wanted) in zip(words, EXPECTED, strict=True))
    assert client.of("ack")[-1]["position"] == len(mono)


async def test_a_lost_connection_goes_on_at_the_very_sample(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    cut = len(sound) // 2 // 2 * 2 - 600  # in the middle of a word
    await client.say(sound[:cut])
    token = client.of("started")[0]["resume_token"]
    speaking.lost("cable pulled")
    await client.begin(resume=token)
    position = client.of("started")[1]["position"]
    assert position == cut // 2
    # Sent twice is written once: the client starts a second earlier than it needs to.
    await client.say(sound[position * 2 :])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_session_that_nobody_comes_back_to_is_finished(tmp_path: Path, sound: bytes) -> None:
    async with running_services(tmp_path, resume_grace_s=0.2) as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(sound)
        speaking.lost("gone")
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_the_newer_connection_wins(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    first = await client.begin()
    await client.say(sound[:32000])
    await client.begin(resume=client.of("started")[0]["resume_token"])
    assert isinstance(await first.wait_ended(), Replaced)
    first.lost("closed by us")  # must not take the session from its successor
    await client.say(sound[32000:])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_foreign_token_a_new_form_and_an_unknown_transcript_are_refused(services: Services) -> None:
    client = await new_client(services)
    await client.begin()
    with pytest.raises(Replaced):
        await client.begin(resume="trk_0.something")
    with pytest.raises(Conflict):
        await client.begin(resume=client.of("started")[0]["resume_token"], sample_rate=8000)
    client.transcript_id = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(NotFound):
        await client.begin()


async def test_a_broken_frame_costs_a_typed_error_and_no_word(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(sound[:64000])
    with pytest.raises(EarshotError) as caught:
        await speaking.audio(b"\x00")
    assert isinstance(caught.value, AudioFormatError) or caught.value.code == "INVALID_MESSAGE"
    await client.say(sound[64000:])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_finalize_answers_after_the_finals_of_all_earlier_sound(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(sound[: int(1.9 * 32000) // 2 * 2])  # all of the first four words, their silence not over
    await client.control(Control.FINALIZE)
    await client.wait_for(lambda client: bool(client.of("finalized")))
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie delta"
    await client.say(sound[int(1.9 * 32000) // 2 * 2 :])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_while_paused_time_goes_on_as_silence(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(sound[:80000])  # 2.5 s
    await client.control(Control.PAUSE)
    assert client.of("status")[-1]["status"] == "paused"
    await client.say(sound)
    await client.control(Control.RESUME)
    assert client.of("status")[-1]["status"] == "processing"
    await client.say(sound)
    stopped = await client.stop()
    shift = 40000 + len(sound) // 2
    assert await words_of(services, client.transcript_id) == EXPECTED[:4] + [(t, at + shift) for t, at in EXPECTED]
    assert stopped["duration"] == pytest.approx((80000 + 2 * len(sound)) / 32000)


async def test_stopped_from_elsewhere_the_speaker_is_told_and_every_word_kept(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(sound)
    await services.hub.end(client.transcript_id)
    assert await speaking.wait_ended() is None
    stopped = await client.stop()
    assert stopped["words"] == 7
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_draining_ends_sessions_with_their_words_and_refuses_new_ones(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(sound)
    await services.drain()
    assert isinstance(await speaking.wait_ended(), Draining)
    assert await words_of(services, client.transcript_id) == EXPECTED
    with pytest.raises(Draining):
        await client.begin()


async def test_draining_waits_for_a_pause_of_who_speaks_and_cannot_come_back(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that is cut is heard as two, one before and one after the connection."""
    monkeypatch.setattr(endings, "PAUSE_MAX_S", 60.0)
    monkeypatch.setattr(live, "SOUNDING_S", 60.0)
    words = sentence("alpha bravo charlie delta", 0.5)
    sound = scripted_sound(words, length_s=5.0)
    third = scripted_words(words)[2]
    in_a_word = third.start_samples + third.end_samples  # bytes of the sound up to its middle
    client = await new_client(services)
    await client.begin(comes_back=False)
    await client.say(sound[:in_a_word])
    draining = asyncio.create_task(services.hub.drain(180.0))
    for _ in range(20):  # turns of the loop, in which who does not wait ends the session
        await asyncio.sleep(0)
    await client.say(sound[in_a_word:])
    assert await draining
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie delta"


async def test_what_comes_while_a_node_is_leaving_is_not_acknowledged_and_goes_on_elsewhere(
    tmp_path: Path, sound: bytes
) -> None:
    half = len(sound) // 4 * 2
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(sound[:half])
        [session] = services.hub.sessions.values()
        session.finish_soon()  # as the drain does, which tells sources last
        await client.say(sound[half:])
        assert client.speaking is not None
        with pytest.raises(Draining):
            await client.speaking.stop()
        assert all(ack["position"] * 2 <= half for ack in client.of("ack"))
    async with running_services(tmp_path) as services:
        again = Client(services, client.transcript_id)
        await again.begin(resume=client.of("started")[0]["resume_token"])
        position = again.of("started")[0]["position"]
        assert position * 2 == half
        await again.say(sound[half:])
        await again.stop()
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_full_house_refuses_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with running_services(tmp_path, sessions_max=1) as services:
        first, second = await new_client(services), await new_client(services)
        await first.begin()
        with pytest.raises(Overloaded) as caught:
            await second.begin()
        assert caught.value.retry_after_s
        await first.stop()
        await second.begin()


async def test_a_nearly_full_disk_refuses_new_sessions(tmp_path: Path) -> None:
    async with running_services(tmp_path, disk_reserve_mb=1 << 40) as services:
        client = await new_client(services)
        with pytest.raises(Overloaded, match="disk"):
            await client.begin()


async def test_deleting_ends_the_session_and_leaves_nothing(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(sound)
    await services.removal.discard(client.transcript_id)
    assert isinstance(await speaking.wait_ended(), NotFound)
    with pytest.raises(NotFound):
        await services.store.get_transcript(client.transcript_id)
    folder = node_settings(services.settings.data_dir).recordings_dir / client.transcript_id
    assert not folder.exists()


async def test_two_speakers_of_one_transcript_get_their_own_tracks_and_names(services: Services, sound: bytes) -> None:
    anna, ben = await new_client(services), await new_client(services)
    ben.transcript_id = anna.transcript_id
    await anna.begin(participant={"id": "a", "name": "Anna"})
    await ben.begin()
    await anna.say(sound)
    await ben.say(sound)
    await anna.stop()
    assert (await services.store.get_transcript(anna.transcript_id)).state is TranscriptState.RECORDING
    await ben.stop()
    segments = await services.store.segments_of(anna.transcript_id)
    said = {name: [s.segment.text for s in segments if s.segment.speaker == name] for name in ("Anna", "Speaker 2")}
    assert said["Anna"] == said["Speaker 2"] == ["alpha bravo charlie delta", "echo foxtrot golf"]


async def test_the_worker_killed_in_the_middle_of_a_word_costs_no_word(services: Services, sound: bytes) -> None:
    crashing = scripted_sound([*SENTENCE, ("crash", 5.0), ("hotel", 5.6)])
    client = await new_client(services)
    await client.begin()
    await client.say(crashing)
    await client.stop()
    words = await words_of(services, client.transcript_id)
    assert [text for text, _ in words if text != "crash"] == [*(text for text, _ in EXPECTED), "hotel"]
    states = [e.body.engine_state for e in await events_of(services, client.transcript_id) if e.body.type == "status"]
    assert "degraded" in states
    assert states[-1] == "ok"


async def test_a_container_gives_its_words_and_is_acknowledged_by_bytes(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    await client.begin(encoding="container")
    data = wav_of(sound)
    for at in range(0, 100_000, 5000):
        await client.say(data[at : at + 5000])
        await asyncio.sleep(0.02)  # as a microphone gives it: the decoder is drained in between
    await client.wait_for(lambda client: bool(client.of("ack")))
    assert 0 < client.of("ack")[-1]["position"] <= 100_000
    await client.say(data[100_000:])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED
    assert client.of("ack")[-1]["position"] == len(data)


async def test_a_container_goes_on_after_a_lost_connection(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    speaking = await client.begin(encoding="container")
    data = wav_of(sound)
    await client.say(data[:99_999])
    speaking.lost("cable pulled")
    await client.begin(encoding="container", resume=client.of("started")[0]["resume_token"])
    assert client.of("started")[1]["position"] == 99_999
    await client.say(data[99_999:])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_container_that_nobody_comes_back_to_is_flushed_and_its_thread_ends(
    tmp_path: Path, sound: bytes
) -> None:
    async with running_services(tmp_path, resume_grace_s=0.1) as services:
        client = await new_client(services)
        speaking = await client.begin(encoding="container")
        await client.say(wav_of(sound))
        speaking.lost("gone")
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_what_is_no_container_gets_a_typed_error(services: Services) -> None:
    client = await new_client(services)
    await client.begin(encoding="container")
    await client.say(b"<html>an error page</html>")
    with pytest.raises(AudioFormatError):
        await client.stop()


async def test_a_speaker_who_comes_back_after_a_stop_goes_on_with_the_track(services: Services, sound: bytes) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(sound)
    await services.hub.end(client.transcript_id)  # finishing while the client comes back
    await client.begin(resume=client.of("started")[0]["resume_token"])
    assert client.of("started")[1]["position"] == len(sound) // 2
    await client.say(sound)
    await client.stop()
    shift = len(sound) // 2
    assert await words_of(services, client.transcript_id) == EXPECTED + [(text, at + shift) for text, at in EXPECTED]
    [track] = await services.store.tracks_of(client.transcript_id)
    assert (track.state, track.length_samples) == ("finished", len(sound))


async def test_a_session_whose_source_never_attaches_is_given_up(tmp_path: Path) -> None:
    async with running_services(tmp_path, connect_deadline_s=1) as services:
        client = await new_client(services)
        await services.hub.attach(client.transcript_id, SourceOptions())
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert not services.hub.sessions
