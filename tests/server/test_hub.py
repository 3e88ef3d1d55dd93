"""What may happen to sessions besides speaking and stopping, one after the other and at the same time."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import IllegalMove, NotFound, Overloaded, RateLimited, Replaced, SdpError, StoreUnavailable
from protocol.events import StatusChanged
from protocol.states import SessionState, TranscriptState
from protocol.wire.stream import Control
from server.live import SourceOptions
from server.recordings import RECORDINGS_MAX
from server.services import Services
from tests.fakes.node import Client, events_of, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of
from tests.server.spoken import status
from tests.server.test_intake import EXPECTED as FILE_EXPECTED
from tests.server.test_intake import WORDS as FILE_WORDS
from tests.server.test_intake import write_wav

SENTENCE = sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0)
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(SENTENCE)]
SOUND = scripted_sound(SENTENCE)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path / "data") as services:
        yield services


async def add_file(services: Services, transcript_id: str, folder: Path) -> None:
    path = write_wav(folder / "talk.wav", scripted_sound(FILE_WORDS))
    await services.intake.add_file(transcript_id, path, filename="talk.wav")


async def test_a_source_lost_twice_before_it_spoke_again_is_waited_for_and_then_finished(tmp_path: Path) -> None:
    async with running_services(tmp_path, resume_grace_s=0.3) as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND)
        speaking.lost("first")
        token = client.of("started")[0]["resume_token"]
        speaking = await client.begin(resume=token)
        speaking.lost("second, without a word in between")
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert not services.hub.sessions


async def test_a_broken_offer_with_a_token_leaves_the_session_waiting(services: Services) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(SOUND[:32000])
    speaking.lost("gone")
    token = client.of("started")[0]["resume_token"]
    for _ in range(2):
        with pytest.raises(SdpError):
            await services.peers.answer(client.transcript_id, "v=0", "offer", SourceOptions(), resume_token=token)
    [session] = services.hub.sessions.values()
    assert session.state is SessionState.RESUMING


async def test_sound_the_disk_did_not_take_is_not_acknowledged(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await new_client(services)
    speaking = await client.begin()

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        patch.setattr(os, "writev", full)
        with pytest.raises(StoreUnavailable):
            await _say_and_stop(client)
        speaking.lost("failed")
        for session in list(services.hub.sessions.values()):
            await session.finish_soon()
    assert all(ack["position"] == 0 for ack in client.of("ack"))
    assert client.of("stopped") == []
    assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.FAILED


async def _say_and_stop(client: Client) -> None:
    await client.say(SOUND)
    await client.stop()


async def test_a_file_under_way_goes_on_after_an_orderly_stop(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        await add_file(services, client.transcript_id, tmp_path)
        await services.drain()
        assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.PROCESSING
    async with running_services(tmp_path / "data") as services:
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == FILE_EXPECTED


async def test_a_session_that_begins_while_another_ends_keeps_the_transcript_open(services: Services) -> None:
    first = await new_client(services)
    await first.begin()
    await first.say(SOUND)
    second = Client(services, first.transcript_id)
    await asyncio.gather(first.stop(), second.begin())
    assert (await services.store.get_transcript(first.transcript_id)).state is TranscriptState.RECORDING
    await second.say(SOUND)
    await second.stop()
    assert (await services.store.get_transcript(first.transcript_id)).state is TranscriptState.ENDED
    assert [text for text, _ in await words_of(services, first.transcript_id)].count("golf") == 2


async def test_a_speaker_who_comes_back_after_a_restart_is_live_and_still_paused(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(SOUND)
        await client.control(Control.PAUSE)
    async with running_services(tmp_path) as services:
        again = Client(services, client.transcript_id)
        speaking = await again.begin(resume=client.of("started")[0]["resume_token"])
        assert speaking.session.paused
        assert speaking.session.pipeline.options.lane == "live"  # which gets interims
        position = again.of("started")[0]["position"]
        await again.say(SOUND)  # into the pause: recorded as silence
        await again.control(Control.RESUME)
        await again.say(SOUND)
        await again.stop()
        shift = position + len(SOUND) // 2
        expected = EXPECTED + [(text, at + shift) for text, at in EXPECTED]
        assert await words_of(services, client.transcript_id) == expected


async def test_a_container_cannot_go_on_where_its_decoder_is_gone(tmp_path: Path) -> None:
    data = wav_of(SOUND)
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(encoding="container")
        await client.say(data[:90_000])
    async with running_services(tmp_path, resume_grace_s=0.2) as services:
        again = Client(services, client.transcript_id)
        with pytest.raises(Replaced, match="container"):
            await again.begin(encoding="container", resume=client.of("started")[0]["resume_token"])
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie delta"


async def test_bytes_of_a_feed_that_was_cancelled_count_as_taken(services: Services) -> None:
    client = await new_client(services)
    speaking = await client.begin(encoding="container")
    data = wav_of(SOUND)
    feeding = asyncio.create_task(speaking.audio(data[:100_000]))
    await asyncio.sleep(0)  # it hands its bytes to the thread
    feeding.cancel()
    await asyncio.wait([feeding])
    speaking.lost("replaced while it fed")
    await client.begin(encoding="container", resume=client.of("started")[0]["resume_token"])
    position = client.of("started")[1]["position"]
    assert position in (0, 100_000)
    await client.say(data[position:])
    await client.stop()
    assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_session_that_closes_while_its_successor_waits_is_opened_again(tmp_path: Path) -> None:
    async with running_services(tmp_path, resume_grace_s=0.05) as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND[:64000])  # between two utterances: a finish in a word would cut it
        token = client.of("started")[0]["resume_token"]
        lock = services.hub.lock_of(client.transcript_id)
        async with lock:
            coming = asyncio.create_task(client.begin(resume=token))
            speaking.lost("gone")
            await until(lambda: speaking.session.state is SessionState.CLOSED)
        await coming
        await client.say(SOUND[client.of("started")[1]["position"] * 2 :])
        await client.stop()
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_pause_does_not_silence_a_file_and_a_file_does_not_end_a_recording(
    services: Services, tmp_path: Path
) -> None:
    client = await new_client(services)
    await client.begin()
    await client.say(SOUND)
    await add_file(services, client.transcript_id, tmp_path)
    assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.RECORDING
    await services.hub.pause(client.transcript_id)
    [file] = [s for s in services.hub.sessions.values() if s.track.source == "file"]
    assert not file.paused
    await client.stop()
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    words = await words_of(services, client.transcript_id)
    assert sorted(words) == sorted(EXPECTED + FILE_EXPECTED)


async def test_a_file_alone_cannot_be_stopped_or_paused_like_a_recording(services: Services, tmp_path: Path) -> None:
    client = await new_client(services)
    await add_file(services, client.transcript_id, tmp_path)
    with pytest.raises(IllegalMove):
        await services.hub.end(client.transcript_id)
    with pytest.raises(IllegalMove):
        await services.hub.pause(client.transcript_id)


async def test_deleting_does_not_wait_for_a_recogniser_that_is_away(tmp_path: Path) -> None:
    async with running_services(tmp_path, engine="scripted-broken") as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND)
        speaking.session.finish_soon()  # with finals, which do not come
        async with asyncio.timeout(10):
            await services.removal.discard(client.transcript_id)
        assert not services.hub.sessions
        with pytest.raises(NotFound):
            await services.store.get_transcript(client.transcript_id)


async def test_files_take_no_speakers_place(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data", sessions_max=1) as services:
        client = await new_client(services)
        await add_file(services, client.transcript_id, tmp_path)
        await client.begin()
        await client.stop()


async def test_those_that_come_at_once_take_no_more_places_than_there_are(tmp_path: Path) -> None:
    """Each is on its way to the store when the next one asks."""
    async with running_services(tmp_path, sessions_max=3) as services:
        clients = [await new_client(services) for _ in range(8)]
        begun = await asyncio.gather(*(client.begin() for client in clients), return_exceptions=True)
        refused = [found for found in begun if isinstance(found, BaseException)]
        assert [type(found) for found in refused] == [Overloaded] * 5


async def test_when_the_words_are_far_behind_new_speakers_are_refused(tmp_path: Path) -> None:
    async with running_services(tmp_path, engine="scripted-broken", admission_lag_max_s=1.0) as services:
        first, second = await new_client(services), await new_client(services)
        await first.begin()
        await first.say(SOUND)  # five seconds that nobody hears
        with pytest.raises(Overloaded, match="behind") as caught:
            await second.begin()
        assert caught.value.retry_after_s


async def test_finalize_cannot_be_piled_up(tmp_path: Path) -> None:
    async with running_services(tmp_path, engine="scripted-broken") as services:
        client = await new_client(services)
        speaking = await client.begin()
        await client.say(SOUND)
        for _ in range(4):
            await client.control(Control.FINALIZE)
        with pytest.raises(RateLimited):
            await client.control(Control.FINALIZE)
        speaking.lost("done")


async def test_an_audience_that_is_full_lets_the_speaker_in(tmp_path: Path) -> None:
    async with running_services(tmp_path, subscribers_max=1) as services:
        client = await new_client(services)
        async with services.journal.subscribe(client.transcript_id, after=None):
            with pytest.raises(Overloaded):
                services.journal.subscribe(client.transcript_id, after=None)
            services.journal.subscribe(client.transcript_id, after=None, among=None).close()


async def test_a_final_waits_for_a_slow_store_and_is_told_once(services: Services) -> None:
    services.journal._append_deadline_s = 0.0  # too late for whoever waits no longer than that
    client = await new_client(services)
    with pytest.raises(StoreUnavailable):
        await services.journal.append(client.transcript_id, status())
    await client.begin()
    await client.say(SOUND)
    assert client.speaking is not None
    await client.speaking.session.pipeline.finalize()
    await client.stop()
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert await words_of(services, client.transcript_id) == EXPECTED
    events = await events_of(services, client.transcript_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    states = [event.body.state for event in events if isinstance(event.body, StatusChanged)]
    assert (states[0], states[-2:]) == (TranscriptState.RECORDING, [TranscriptState.PROCESSING, TranscriptState.ENDED])


async def test_sound_that_no_engine_can_hear_costs_itself_alone_and_readers_are_told(tmp_path: Path) -> None:
    async with running_services(tmp_path, engine="scripted-refuse") as services:
        client = await new_client(services)
        await client.begin()
        await client.say(scripted_sound([*SENTENCE, ("crash", 5.5), ("hotel", 7.5)]))
        await client.stop()
        assert (
            texts(await words_of(services, client.transcript_id)) == "alpha bravo charlie delta echo foxtrot golf hotel"
        )
        [failed] = [e.body for e in await events_of(services, client.transcript_id) if e.body.type == "error"]
        assert (failed.code, failed.recoverable) == ("ENGINE_FAILED", True)
        assert failed.details["start"] <= 5.5 <= failed.details["end"]


async def test_the_few_recordings_asked_for_last_are_kept(services: Services) -> None:
    transcript = await services.store.create_transcript(name="many tracks")
    tracks = [
        await services.store.create_track(
            transcript.id, name=f"track-{number}", speaker="Ann", source="stream", started_at=0.0
        )
        for number in range(RECORDINGS_MAX + 1)
    ]
    hub = services.hub
    first, second, *_ = [hub.recording(track) for track in tracks[:-1]]
    assert hub.recording(tracks[0]) is first
    hub.recording(tracks[-1])
    assert hub.recording(tracks[0]) is first
    assert hub.recording(tracks[1]) is not second
    await services.removal.discard(transcript.id)
    assert hub.recording(tracks[0]) is not first


async def test_a_transcript_that_is_just_being_concluded_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded: list[str] = []
    concluded_when_stopped: list[list[str]] = []
    async with running_services(tmp_path) as services:
        hub, begun, stopping = services.hub, asyncio.Event(), asyncio.Event()
        settle, stop_telling = hub.settle, hub._status.stop

        async def slow_settle(transcript_id: str, *, failed: bool = False) -> None:
            begun.set()
            await stopping.wait()
            await settle(transcript_id, failed=failed)
            concluded.append(transcript_id)

        async def last_step() -> None:
            concluded_when_stopped.append(concluded.copy())
            await stop_telling()

        monkeypatch.setattr(hub, "settle", slow_settle)
        monkeypatch.setattr(hub._status, "stop", last_step)
        client = await new_client(services)
        await client.begin()
        [session] = hub.sessions.values()
        session.finish_soon()
        await begun.wait()
        assert not hub.sessions
        stopped = asyncio.create_task(hub.stop())
        await asyncio.wait(hub._rounds[:1])
        for _ in range(100):  # turns of the loop: far more than it has left to do
            await asyncio.sleep(0)
        stopping.set()
        await stopped
        assert concluded_when_stopped == [[client.transcript_id]]
