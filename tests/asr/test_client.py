"""The client with a real child process that says known words and misbehaves on cue."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from asr.client import AsrClient
from asr.contract import SessionOptions
from protocol.blocks import Block
from protocol.errors import EngineFailed
from tests.asr.conftest import WAIT_S, Heard, MakeClient, feed, nothing_recorded, open_session, settings
from tests.fakes.waiting import until
from tests.fakes.worker import Cue, spoken


async def test_words_come_with_ids_revisions_times_and_lag(make_client: MakeClient) -> None:
    client = await make_client()
    heard = Heard()
    session = open_session(client, heard)
    feed(session, bytes(3200) + spoken(1, 2, 3))
    assert await asyncio.wait_for(session.finalize(), WAIT_S) == session.fed_samples
    [final] = heard.finals
    assert (final.text, final.track, final.confidence, final.speaker) == ("w1 w2 w3", "trk_a", 0.5, None)
    assert [(word.start_samples, word.end_samples) for word in final.words] == [
        (1600, 3200),
        (4000, 5600),
        (6400, 8000),
    ]
    assert (final.start_samples, final.end_samples) == (1600, 8000)
    assert {segment.segment_id for segment in heard.segments} == {final.segment_id}
    assert [segment.revision for segment in heard.segments] == list(range(1, len(heard.segments) + 1))
    assert [segment.text for segment in heard.segments] == ["w1", "w1 w2", "w1 w2 w3", "w1 w2 w3"]
    assert heard.settled == sorted(heard.settled)
    assert heard.settled[-1] == session.settled_samples == session.fed_samples
    assert session.lag_ms == 0
    assert all(lag_ms >= 0 for lag_ms in heard.lags_ms)


async def test_status_tells_what_the_engine_is(make_client: MakeClient) -> None:
    client = await make_client(step_deadline_s=0.5)
    assert client.status.state == "starting"
    await client.wait_ready()
    status = client.status
    assert (status.state, status.engine, status.model, status.languages) == ("ok", "fake", "run-1", ("en",))
    assert (status.reason, status.restarts, status.sessions) == ("a test asked", 0, 0)
    await until(lambda: client.status.steps > 0)
    assert client.status.step_s == 0.5


async def test_sound_fed_before_the_engine_is_ready_is_heard(make_client: MakeClient) -> None:
    client = await make_client("--start", "exit", "--failures", "2")
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(1, 2))
    assert await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2"
    assert heard.states == ["degraded", "ok"]
    assert client.status.restarts == 2


async def test_a_worker_that_cannot_start_is_said_and_tried_again(make_client: MakeClient) -> None:
    client = await make_client("--start", "broken")
    heard = Heard()
    await heard_degraded(client, heard)
    assert client.status.state == "degraded"
    assert client.status.reason == "there is no model"
    await until(lambda: client.status.restarts >= 3)
    late = Heard()
    open_session(client, late)
    await late.until(lambda: late.states == ["degraded"])


async def heard_degraded(client: AsrClient, heard: Heard) -> None:
    open_session(client, heard)
    await heard.until(lambda: heard.states == ["degraded"])


@pytest.mark.parametrize("cue", [Cue.CRASH, Cue.HANG, Cue.LEAK, Cue.GARBAGE])
async def test_no_word_is_lost_or_said_twice_when_the_worker_fails_in_an_utterance(
    make_client: MakeClient, cue: Cue
) -> None:
    # Only the hang needs the deadline; a short one could be missed by a healthy worker on a busy machine.
    client = await make_client(step_deadline_s=2.0 if cue is Cue.HANG else 10.0, memory_max_mb=300)
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(1, 2) + spoken(3, 4, int(cue), 5) + spoken(6))
    assert await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2 w3 w4 w5 w6"
    assert heard.states == ["degraded", "ok"]
    assert client.status.restarts == 1
    # The utterance that was open when it failed keeps its id.
    ids = {segment.segment_id for segment in heard.segments if "w3" in segment.text}
    assert len(ids) == 1
    of_it = [segment.revision for segment in heard.segments if segment.segment_id in ids]
    assert of_it == sorted(set(of_it))


async def test_killed_and_stopped_workers_are_replaced(make_client: MakeClient) -> None:
    client = await make_client(step_deadline_s=2.0)
    heard = Heard()
    session = open_session(client, heard)
    sound = spoken(1, 2, 3) + spoken(4, 5, 6)
    for signal_number in (signal.SIGKILL, signal.SIGSTOP):
        await asyncio.wait_for(client.wait_ready(), WAIT_S)
        before = len(heard.segments)
        feed(session, sound[: 2 * 6000])
        await heard.until(lambda before=before: len(heard.segments) > before)  # type: ignore[misc]
        pid = client.status.pid
        assert pid is not None
        os.kill(pid, signal_number)
        feed(session, sound[2 * 6000 :])
        assert await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2 w3 w4 w5 w6 w1 w2 w3 w4 w5 w6"


async def test_ten_sessions_over_a_crash_hear_their_own_words(make_client: MakeClient) -> None:
    client = await make_client()
    all_heard = [Heard() for _ in range(10)]
    sessions = [open_session(client, heard) for heard in all_heard]
    for number, session in enumerate(sessions):
        cue = (int(Cue.CRASH),) if number == 4 else ()
        feed(session, spoken(100 * number + 1, *cue, 100 * number + 2) + spoken(100 * number + 3))
    await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in sessions)), WAIT_S)
    for number, heard in enumerate(all_heard):
        assert heard.text == " ".join(f"w{100 * number + word}" for word in (1, 2, 3))


async def test_words_of_another_generation_are_not_heard(make_client: MakeClient) -> None:
    client = await make_client("--always")
    first = open_session(client, Heard())
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(1, int(Cue.STALE), 2))
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2"
    assert all("stale" not in segment.text for segment in heard.segments)
    await first.close()


async def test_an_interim_that_was_nothing_is_taken_back(make_client: MakeClient) -> None:
    client = await make_client()
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(int(Cue.GHOST)) + spoken(1))
    await asyncio.wait_for(session.finalize(), WAIT_S)
    shown, taken_back, *rest = heard.segments
    assert (shown.text, taken_back.text, taken_back.is_final) == ("ghost", "", False)
    assert taken_back.segment_id == shown.segment_id
    assert taken_back.revision == shown.revision + 1
    assert {segment.text for segment in rest} == {"w1"}
    assert rest[0].segment_id != shown.segment_id


async def test_a_slow_worker_only_makes_lag(make_client: MakeClient) -> None:
    client = await make_client("--slow", "0.2")
    heard = Heard()
    session = open_session(client, heard)
    feed(session, b"".join(spoken(word) for word in range(1, 9)))
    assert session.lag_ms > 4000
    assert client.status.lag_ms == session.lag_ms
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == " ".join(f"w{word}" for word in range(1, 9))
    assert max(heard.lags_ms) > 1000
    assert session.lag_ms == 0


async def test_room_holds_a_file_back(make_client: MakeClient) -> None:
    client = await make_client("--slow", "0.01")
    heard = Heard()
    session = open_session(client, heard, options=SessionOptions(lane="file"))
    furthest_ms = 0
    for word in range(1, 121):
        await asyncio.wait_for(session.room(), WAIT_S)
        feed(session, spoken(word, end_samples=13600), block_samples=16000)  # 1 s
        furthest_ms = max(furthest_ms, session.lag_ms)
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert furthest_ms <= 31_000
    assert heard.text == " ".join(f"w{word}" for word in range(1, 121))


async def test_sound_no_longer_in_memory_is_read_back(make_client: MakeClient) -> None:
    """Five minutes come in while there is no worker: memory stays bounded, and every word is heard later."""
    client = await make_client("--start", "exit", "--failures", "3")
    sound = b"".join(spoken(word, end_samples=13600) for word in range(1, 301))
    asked: list[tuple[int, int]] = []

    def read_back(start_samples: int, end_samples: int) -> Iterator[Block]:
        asked.append((start_samples, end_samples))
        yield Block(start_samples, sound[2 * start_samples : 2 * end_samples])

    heard = Heard()
    session = client.open(track="trk_a", start_samples=0, options=SessionOptions(), listener=heard, read_back=read_back)
    feed(session, sound, block_samples=16000)
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == " ".join(f"w{word}" for word in range(1, 301))
    assert asked == sorted(asked)
    assert asked[0][0] == 0
    assert asked[-1][1] == 180 * 16000  # the last 120 s were in memory


async def test_what_was_recorded_before_need_not_be_fed(make_client: MakeClient) -> None:
    client = await make_client()
    sound = spoken(1, 2) + spoken(3)
    heard = Heard()
    session = client.open(
        track="trk_a",
        start_samples=800,
        options=SessionOptions(),
        listener=heard,
        read_back=lambda start, end: iter([Block(start, sound[2 * start : 2 * end])]),
        recorded_samples=len(sound) // 2,
    )
    assert session.fed_samples == len(sound) // 2
    feed(session, spoken(4))
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2 w3 w4"


async def test_a_listener_that_raises_stops_nothing(make_client: MakeClient) -> None:
    class Raising(Heard):
        def on_segment(self, segment: object, lag_ms: int) -> None:
            super().on_segment(segment, lag_ms)  # type: ignore[arg-type]
            raise RuntimeError("a listener's own fault")

    client = await make_client()
    heard = Raising()
    session = open_session(client, heard)
    feed(session, spoken(1) + spoken(2))
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2"


async def test_reload_replays_with_another_engine(make_client: MakeClient) -> None:
    client = await make_client()
    await asyncio.wait_for(client.wait_ready(), WAIT_S)
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(1) + spoken(2, 3)[: 2 * 4400])
    await heard.until(lambda: len(heard.finals) == 1 and heard.segments[-1].text.startswith("w2"))
    await client.reload()
    assert client.status.state == "starting"
    await asyncio.wait_for(client.wait_ready(), WAIT_S)
    assert client.status.model == "run-2"
    feed(session, spoken(2, 3)[2 * 4400 :])
    await asyncio.wait_for(session.finalize(), WAIT_S)
    assert heard.text == "w1 w2 w3"
    assert heard.states == []
    assert client.status.restarts == 0


async def test_close_ends_waiting_finalizers_and_forgets(make_client: MakeClient) -> None:
    client = await make_client("--start", "silent")
    session = open_session(client, Heard())
    feed(session, spoken(1))
    waiting = asyncio.create_task(session.finalize())
    await asyncio.sleep(0)
    await session.close()
    await session.close()
    with pytest.raises(EngineFailed):
        await waiting
    with pytest.raises(EngineFailed):
        await session.finalize()
    await session.room()
    feed(session, spoken(1))
    assert client.status.sessions == 0


async def test_a_stopped_client_opens_no_session(make_client: MakeClient) -> None:
    client = await make_client()
    waiting = asyncio.create_task(client.wait_ready())
    await asyncio.sleep(0)
    await client.stop()
    with pytest.raises(EngineFailed):
        await waiting
    with pytest.raises(EngineFailed):
        open_session(client, Heard())
    assert client.status.pid is None


async def test_a_client_that_was_never_started_can_be_stopped() -> None:
    client = AsrClient(settings())
    client.open(track="trk_a", start_samples=0, options=SessionOptions(), listener=Heard(), read_back=nothing_recorded)
    await client.stop()
