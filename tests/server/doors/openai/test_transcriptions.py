"""Files of OpenAI's own client: every format, streams, refusals as it knows them, and that nothing is kept."""

from __future__ import annotations

import asyncio

import pytest
from openai import APIStatusError, AsyncOpenAI, AuthenticationError, BadRequestError, NotFoundError

from protocol.events import EventBody, StatusChanged
from protocol.states import TranscriptState
from server.doors.openai.hearing import finals
from tests.fakes.running_app import RunningApp
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of
from tests.server.spoken import final

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAID = "alpha bravo charlie"
FILE = ("said.wav", wav_of(scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.5), length_s=4.0)))
LONG = ("long.wav", wav_of(scripted_sound(sentence("slow", 0.5) + sentence(SAID, 3.0), length_s=600.0)))


async def test_every_format_says_the_same(node: RunningApp, openai: AsyncOpenAI) -> None:
    create = openai.audio.transcriptions.create
    plain = await create(model="whisper-1", file=FILE)
    assert plain.text == SAID
    assert plain.usage is not None
    assert plain.usage.to_dict() == {"type": "duration", "seconds": 4}
    assert await create(model="gpt-4o-transcribe", file=FILE, response_format="text") == f"{SAID}\n"
    assert await create(model="whisper-1", file=FILE, response_format="srt") == (
        "1\n00:00:00,500 --> 00:00:01,500\nalpha bravo\n\n2\n00:00:02,500 --> 00:00:03,500\ncharlie\n"
    )
    vtt = await create(model="whisper-1", file=FILE, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n1\n00:00:00.500 --> ")
    told = await create(model="gpt-4o-transcribe", file=FILE, include=["logprobs"])
    assert [each.token for each in told.logprobs or ()] == SAID.split()


async def test_words_and_segments_have_times_where_they_are_asked_for(openai: AsyncOpenAI) -> None:
    create = openai.audio.transcriptions.create
    usual = await create(model="whisper-1", file=FILE, response_format="verbose_json", language="en")
    assert (usual.text, usual.language, usual.duration, usual.words) == (SAID, "english", 4.0, None)
    assert [(each.id, each.text, each.start) for each in usual.segments or ()] == [
        (0, "alpha bravo", 0.5),
        (1, "charlie", 2.5),
    ]
    both = await create(
        model="whisper-1", file=FILE, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [(each.word, each.start) for each in both.words or ()] == [("alpha", 0.5), ("bravo", 0.84), ("charlie", 2.5)]
    assert len(both.segments or ()) == 2
    words = await create(model="whisper-1", file=FILE, response_format="verbose_json", timestamp_granularities=["word"])
    assert words.segments is None


async def test_speakers_are_told(openai: AsyncOpenAI) -> None:
    create = openai.audio.transcriptions.create
    told = await create(model="gpt-4o-transcribe-diarize", file=FILE, response_format="diarized_json")
    assert [(each.type, each.text) for each in told.segments] == [
        ("transcript.text.segment", "alpha bravo"),
        ("transcript.text.segment", "charlie"),
    ]
    assert all(each.speaker for each in told.segments)
    stream = await create(model="gpt-4o-transcribe-diarize", file=FILE, response_format="diarized_json", stream=True)
    types = [event.type async for event in stream]
    assert types == ["transcript.text.delta", "transcript.text.segment"] * 2 + ["transcript.text.done"]


async def test_a_stream_is_what_the_whole_would_be(openai: AsyncOpenAI) -> None:
    deltas, text = [], ""
    async for event in await openai.audio.transcriptions.create(model="gpt-4o-transcribe", file=FILE, stream=True):
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
        elif event.type == "transcript.text.done":
            text = event.text
    assert deltas == ["alpha bravo", " charlie"]
    assert text == SAID


async def test_what_a_pass_cuts_is_streamed_once(node: RunningApp) -> None:
    services = node.services
    made = await services.store.create_transcript()
    heard = final(text="alpha bravo").model_copy(update={"heard_samples": 16_000})
    told: list[EventBody] = [heard, final(text="alpha", revision=2), final("seg_2", "bravo")]
    for body in (*told, StatusChanged(state=TranscriptState.ENDED)):
        await services.journal.append(made.id, body)
    assert [segment.text async for segment in finals(services, made.id)] == ["alpha bravo"]
    await services.store.destroy_transcript(made.id)


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_is_not_worked_for_and_nothing_is_kept(
    node: RunningApp, openai: AsyncOpenAI, stream: bool
) -> None:
    asking = asyncio.create_task(_asked(openai, stream=stream))
    await until(lambda: bool(node.services.hub.sessions))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: not node.services.hub.sessions)
    await node.services.fleeting.stop()
    assert (await node.http.get("/v1/transcripts")).json()["total"] == 0
    [markers] = (node.settings.data_dir / "nodes").glob("*.fleeting")
    assert not list(markers.iterdir())
    assert not list(node.settings.recordings_dir.iterdir())


async def _asked(openai: AsyncOpenAI, *, stream: bool) -> None:
    if not stream:
        await openai.audio.transcriptions.create(model="whisper-1", file=LONG)
        return
    async for _ in await openai.audio.transcriptions.create(model="whisper-1", file=LONG, stream=True):
        pass


async def test_refusals_are_those_that_the_client_knows(node: RunningApp, openai: AsyncOpenAI) -> None:
    create = openai.audio.transcriptions.create

    def told(error: APIStatusError) -> tuple[int, str | None, str | None, str | None]:
        return error.status_code, error.type, error.param, error.code

    with pytest.raises(BadRequestError) as refused:
        await create(model="whisper-1", file=FILE, response_format="srt", timestamp_granularities=["word"])
    assert told(refused.value) == (400, "invalid_request_error", "timestamp_granularities", "invalid_value")
    with pytest.raises(BadRequestError) as refused:
        await create(model="whisper-1", file=FILE, temperature=2.0)
    assert told(refused.value) == (400, "invalid_request_error", "temperature", "invalid_value")
    with pytest.raises(BadRequestError) as refused:
        await create(model="whisper-tiny.en", file=FILE, language="de")
    assert refused.value.param == "language"
    with pytest.raises(BadRequestError) as refused:
        await create(model="whisper-1", file=("x.txt", b"no sound at all"))
    assert told(refused.value) == (400, "invalid_request_error", None, "unsupported_format")
    with pytest.raises(BadRequestError) as refused:
        await create(model="x", file=FILE, known_speaker_names=["A"], known_speaker_references=["data:audio/wav;,"])
    assert refused.value.code == "unsupported_parameter"
    with pytest.raises(BadRequestError) as refused, pytest.warns(DeprecationWarning, match="deprecated"):
        await openai.audio.translations.create(model="whisper-1", file=FILE)
    assert told(refused.value) == (400, "invalid_request_error", "model", "unsupported_model")
    with pytest.raises(AuthenticationError) as unknown:
        await openai.with_options(api_key="wrong").audio.transcriptions.create(model="whisper-1", file=FILE)
    assert told(unknown.value) == (401, "authentication_error", None, "invalid_api_key")
    raw = await node.http.post("/v1/audio/transcriptions", content=b"RIFF")
    assert (raw.status_code, raw.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (await node.http.get("/v1/transcripts")).json()["total"] == 0


async def test_models_are_listed_as_the_client_reads_them(openai: AsyncOpenAI) -> None:
    listed = [model.id async for model in openai.models.list()]
    assert listed[0] == "scripted"
    assert {"whisper-1", "gpt-4o-transcribe"} <= set(listed)
    assert (await openai.models.retrieve("whisper-1")).owned_by == "openai"
    with pytest.raises(NotFoundError) as unknown:
        await openai.models.retrieve("gpt-9")
    assert unknown.value.code == "model_not_found"
