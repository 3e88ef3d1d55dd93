"""What readers are told of where a transcript stands: every status there is, and a progress that is true."""

from __future__ import annotations

import re
from pathlib import Path

from protocol.events import Event, StatusChanged
from protocol.states import TranscriptState
from protocol.wire.stream import Control
from server.services import Services
from server.status import PROGRESS_STEP_PERCENT
from tests.fakes.node import events_of, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.test_intake import EXPECTED, WORDS, write_wav

SOUND = scripted_sound(sentence("alpha bravo", 0.3))
CRASH = scripted_sound([("crash", 0.5)])


async def shown(node: RunningApp, transcript_id: str) -> str:
    status: str = (await node.http.get(f"/v1/transcripts/{transcript_id}")).json()["status"]
    return status


async def statuses(services: Services, transcript_id: str) -> list[StatusChanged]:
    return [e.body for e in await events_of(services, transcript_id) if isinstance(e.body, StatusChanged)]


async def test_every_status_is_reached_on_the_listening_socket_and_by_rest(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        async with (
            node.socket(f"/v1/transcripts_websocket/{id_}") as reader,
            node.socket(f"/v1/transcripts_stream/{id_}") as speaker,
        ):
            first = await reader.receive()  # without being asked, as nothing else would come
            assert (first["type"], first["data"]["status"], "seq" in first) == ("status", "initializing", False)
            assert await shown(node, id_) == "initializing"
            await speaker.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
            await reader.until(lambda message: message["data"].get("status") == "processing")
            assert await shown(node, id_) == "processing"
            for action, status in (("pause", "paused"), ("start", "processing"), ("pause", "paused")):
                await reader.send({"action": action, "params": {}})
                while (await reader.until("status"))["data"]["status"] != status:
                    pass
                assert await shown(node, id_) == status
            await speaker.send({"type": "stop"})
            done = await reader.until(lambda message: message["data"].get("status") == "completed")
            assert done["data"]["progress"] == 100.0
            assert await shown(node, id_) == "completed"


async def test_an_engine_that_hears_nothing_at_all_has_failed(tmp_path: Path) -> None:
    async with running_app(tmp_path, engine="scripted-refuse") as node:
        id_ = await node.new_transcript()
        async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader:
            files = {"file": ("talk.wav", wav_of(CRASH), "audio/wav")}
            assert (await node.http.post(f"/v1/transcripts_audio/{id_}/upload", files=files)).status_code < 300
            failed = await reader.until(lambda message: message["data"].get("status") == "failed")
            assert "the sound is kept" in failed["data"]["message"]
            assert [error["data"]["code"] for error in reader.of("error")] == ["ENGINE_FAILED"]
            assert await shown(node, id_) == "failed"
            assert (await node.http.get(f"/v1/transcripts/{id_}/audio")).status_code == 200


async def test_progress_of_a_file_is_true_and_never_goes_back(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
        async with services.journal.subscribe(client.transcript_id, after=0, types=frozenset({"status"})) as events:
            async for event in events:
                now, _ = await services.hub.status(client.transcript_id)
                assert isinstance(event, Event)
                assert isinstance(event.body, StatusChanged)
                assert now.progress >= event.body.progress
                if event.body.state is TranscriptState.ENDED:
                    break
        told = await statuses(services, client.transcript_id)
        between = [status for status in told if 0 < status.progress < 100]
        assert between
        for status in between:
            match = re.fullmatch(r"Processing (\d):(\d\d) of (\d):(\d\d)", status.message)
            assert match is not None, status.message
            done_s, all_s = (60 * int(match[i]) + int(match[i + 1]) for i in (1, 3))
            assert all_s == len(scripted_sound(WORDS)) // 32000
            assert abs(100 * done_s / all_s - status.progress) <= 100 / all_s
        percents = [status.progress for status in told]
        assert percents == sorted(percents)
        assert (percents[0], percents[-1]) == (0.0, 100.0)
        assert len(between) <= 100 / PROGRESS_STEP_PERCENT


async def test_progress_does_not_go_back_over_a_restart(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
        async with services.journal.subscribe(client.transcript_id, after=0, types=frozenset({"status"})) as events:
            async for event in events:
                if isinstance(event, Event) and isinstance(event.body, StatusChanged) and event.body.progress > 0:
                    break
    async with running_services(tmp_path / "data") as services:
        now, _ = await services.hub.status(client.transcript_id)
        assert now.progress > 0
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        percents = [status.progress for status in await statuses(services, client.transcript_id)]
        assert percents == sorted(percents)
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_file_that_cannot_be_read_to_its_end_has_failed_and_keeps_its_words(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        path = write_wav(tmp_path / "talk.wav", scripted_sound(WORDS))
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
        [session] = services.hub.sessions.values()
        kept = services.intake.kept_path(session)
        async with services.journal.subscribe(client.transcript_id, after=0) as events:
            async for event in events:
                if isinstance(event, Event) and event.body.type == "transcription":
                    break
    kept.write_bytes(b"the disk has lost it")
    async with running_services(tmp_path / "data") as services:
        await wait_for_state(services, client.transcript_id, TranscriptState.FAILED)
        [error] = [e.body for e in await events_of(services, client.transcript_id) if e.body.type == "error"]
        assert (error.code, error.recoverable) == ("AUDIO_FORMAT_ERROR", False)
        assert texts(await words_of(services, client.transcript_id)).startswith("alpha bravo charlie")


async def test_a_pause_is_one_of_all_speakers_and_sound_is_live_while_one_speaks(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        anna, ben = await new_client(services), await new_client(services)
        ben.transcript_id = anna.transcript_id
        await anna.begin(participant={"name": "Anna"})
        await ben.begin(participant={"name": "Ben"})
        for each in (anna, ben):
            await each.say(SOUND)
        told = []
        for each, control in ((anna, Control.PAUSE), (ben, Control.PAUSE), (anna, Control.RESUME)):
            await each.control(control)
            status, _ = await services.hub.status(anna.transcript_id)
            told.append((status.state.value, status.audio))
        assert told == [("recording", "live"), ("paused", "paused"), ("recording", "live")]
        await anna.stop()
        await ben.stop()
