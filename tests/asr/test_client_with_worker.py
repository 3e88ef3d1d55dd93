"""The client with the real inference process and the scripted engine: every word once and in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from asr.client import AsrClient, AsrSession, WorkerSettings
from asr.contract import SessionOptions
from asr.watch import Backoff
from protocol.blocks import SAMPLE_RATE_HZ, Block
from tests.asr.conftest import WAIT_S, Heard, feed, open_session
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

TEXTS = ("alpha bravo charlie", "delta echo foxtrot golf", "hotel india")
MakeClient = Callable[..., Awaitable[AsrClient]]


def conversation(*texts: str) -> bytes:
    """The texts one after the other, 1 s of silence after each."""
    return b"".join(scripted_sound(sentence(text)) for text in texts)


@pytest.fixture
async def make_client(tmp_path: Path) -> AsyncIterator[MakeClient]:
    clients: list[AsrClient] = []

    async def make(engine: str = "scripted", **changes: float) -> AsrClient:
        settings = WorkerSettings(engine=engine, models_dir=tmp_path, start_deadline_s=60.0, **changes)  # type: ignore[arg-type]
        client = AsrClient(settings, backoff=Backoff(first_s=0.05, cap_s=0.2))
        clients.append(client)
        await client.start()
        return client

    yield make
    for client in clients:
        await client.stop()


async def finalized(*sessions: AsrSession) -> None:
    await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in sessions)), 3 * WAIT_S)


@pytest.mark.usefixtures("real_starts")
async def test_words_and_their_times(make_client: MakeClient) -> None:
    client = await make_client()
    heard = Heard()
    session = open_session(client, heard)
    said = sentence(TEXTS[0])
    feed(session, scripted_sound(said))
    await finalized(session)
    [final] = heard.finals
    assert final.text == TEXTS[0]
    assert [(w.text, w.start_samples, w.end_samples) for w in final.words] == [
        (w.text, w.start_samples, w.end_samples) for w in scripted_words(said)
    ]
    assert {segment.segment_id for segment in heard.segments} == {final.segment_id}
    assert client.status.engine == "scripted"


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_lost_in_mid_utterance_loses_and_repeats_no_word(
    make_client: MakeClient, signal_number: signal.Signals
) -> None:
    client = await make_client(step_deadline_s=2.0)
    heard = Heard()
    session = open_session(client, heard)
    sound = conversation(*TEXTS)
    cut = len(sound) // 4 * 2 + 6400  # within the second text
    feed(session, sound[:cut])
    await heard.until(lambda: bool(heard.finals) and "delta" in heard.segments[-1].text)
    open_id = heard.segments[-1].segment_id
    assert client.status.pid is not None
    os.kill(client.status.pid, signal_number)
    feed(session, sound[cut:])
    await finalized(session)
    assert heard.text == " ".join(TEXTS)
    assert heard.states == ["degraded", "ok"]
    assert [segment.segment_id for segment in heard.finals if "delta" in segment.text] == [open_id]


async def test_ten_sessions_at_once_over_a_kill(make_client: MakeClient) -> None:
    client = await make_client()
    texts = ["zulu one", "zero two", "three four", "five six", "seven eight"] * 2
    all_heard = [Heard() for _ in texts]
    sessions = [open_session(client, heard) for heard in all_heard]
    for session, text in zip(sessions, texts, strict=True):
        feed(session, conversation(text, TEXTS[0]))
    await all_heard[0].until(lambda: bool(all_heard[0].segments))
    assert client.status.pid is not None
    os.kill(client.status.pid, signal.SIGKILL)
    await finalized(*sessions)
    assert [heard.text for heard in all_heard] == [f"{text} {TEXTS[0]}" for text in texts]


@pytest.mark.parametrize("fault", ["crash", "hang"])
async def test_an_engine_that_fails_on_a_word_goes_on_after_it(make_client: MakeClient, fault: str) -> None:
    client = await make_client(step_deadline_s=2.0)
    heard = Heard()
    session = open_session(client, heard)
    feed(session, conversation("alpha bravo", f"charlie {fault} delta", "echo"))
    await finalized(session)
    assert heard.text == f"alpha bravo charlie {fault} delta echo"
    assert client.status.restarts == 1


@pytest.mark.parametrize("fault", ["crash", "hang"])
async def test_a_stretch_that_ends_every_process_costs_only_itself(make_client: MakeClient, fault: str) -> None:
    client = await make_client(engine=f"scripted-{fault}", step_deadline_s=1.0)
    poisoned, other = Heard(), Heard()
    sessions = open_session(client, poisoned), open_session(client, other)
    feed(sessions[0], conversation("alpha bravo", f"charlie {fault} delta", "echo"))
    feed(sessions[1], conversation(*TEXTS))
    await finalized(*sessions)
    assert poisoned.text == "alpha bravo echo"
    assert other.text == " ".join(TEXTS)
    [(start_samples, end_samples)] = poisoned.gave_up
    before = len(conversation("alpha bravo")) // 2
    [_, word, _] = scripted_words(sentence(f"charlie {fault} delta"))
    assert start_samples <= before + word.start_samples < before + word.end_samples <= end_samples
    assert (other.gave_up, client.status.gave_up, client.status.restarts) == ([], 1, 3)


async def test_an_utterance_that_the_engine_refuses_costs_only_itself(make_client: MakeClient) -> None:
    client = await make_client(engine="scripted-refuse")
    poisoned, other = Heard(), Heard()
    sessions = open_session(client, poisoned), open_session(client, other)
    feed(sessions[0], conversation("alpha bravo", "charlie leak delta", "echo"))
    feed(sessions[1], conversation(*TEXTS))
    await finalized(*sessions)
    assert poisoned.text == "alpha bravo echo"
    assert other.text == " ".join(TEXTS)
    assert (len(poisoned.gave_up), client.status.gave_up, client.status.restarts) == (1, 1, 0)


async def test_an_engine_that_does_not_load_is_degraded_until_another_is_chosen(
    make_client: MakeClient, tmp_path: Path
) -> None:
    client = await make_client(engine="scripted-broken")
    heard = Heard()
    session = open_session(client, heard)
    feed(session, conversation(TEXTS[0]))
    await heard.until(lambda: heard.states == ["degraded"])
    assert client.status.state == "degraded"
    assert client.status.reason == "the scripted engine was asked not to load"
    await client.reload(WorkerSettings(engine="scripted", models_dir=tmp_path))
    await finalized(session)
    assert heard.text == TEXTS[0]
    assert heard.states == ["degraded", "ok"]


async def test_an_engine_slower_than_the_sound_only_makes_lag(make_client: MakeClient) -> None:
    client = await make_client(engine="scripted-slow", step_deadline_s=2.0)
    heard = Heard()
    session = open_session(client, heard, options=SessionOptions(interim=False))
    feed(session, conversation(*TEXTS))
    await finalized(session)
    assert heard.text == " ".join(TEXTS)
    assert client.status.restarts == 0


async def test_an_hour_of_pause_costs_nothing(make_client: MakeClient) -> None:
    client = await make_client()
    heard = Heard()
    session = open_session(client, heard)
    feed(session, conversation(TEXTS[0]))
    await finalized(session)
    sound = conversation(TEXTS[1])
    session.feed(Block(3600 * SAMPLE_RATE_HZ, sound))
    await asyncio.wait_for(session.finalize(), 5.0)
    assert [final.text for final in heard.finals] == list(TEXTS[:2])
    first = heard.finals[1].words[0].start_samples - 3600 * SAMPLE_RATE_HZ
    assert first == scripted_words(sentence(TEXTS[1]))[0].start_samples
