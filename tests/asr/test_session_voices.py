"""What a session does with voices: prints before their segments and once, and what the next process is told."""

from __future__ import annotations

import pytest

from asr.known_voices import KnownVoices
from asr.session import LOST_WITH_VOICES_MAX, AsrSession
from asr.voice_prints import mean_of
from asr.wire import FoundVoices, Heard, HeardVoice, Open, Spoke, VoicePrints
from tests.asr.conftest import Heard as Told
from tests.asr.conftest import WordsHeard, feed
from tests.asr.test_known_voices import prints, voice
from tests.asr.test_session import DIARIZE, Bench, Remembering, bench, heard, settle_down

__all__ = ["bench"]


def final(session: AsrSession, generation: int, *, start: int, end: int, voices: tuple[int, ...] = (0, 1)) -> Heard:
    words = heard(session, generation, *(f"w{i}" for i in voices), start=start, end=end)
    return words.model_copy(update={"spoke": tuple(Spoke(voice=i, words=1, confidence=0.5) for i in voices)})


def of(session: AsrSession, generation: int, printed: VoicePrints) -> VoicePrints:
    return printed.model_copy(update={"session_id": session.session_id, "generation": generation})


async def opened_again(session: AsrSession, generation: int) -> Open:
    session.detach()
    link = Remembering()
    session.attach(link, generation)
    await settle_down()
    assert isinstance(link.said[0], Open)
    return link.said[0]


async def test_prints_are_told_before_the_segments_of_their_final(bench: Bench) -> None:
    told = Told()
    session = bench.session(told, options=DIARIZE)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(of(session, 1, prints((0, 1000, 0, 0), (1000, 2000, 1, 1))))
    assert not told.prints
    session.on_message(final(session, 1, start=100, end=3000))
    assert told.segments_before_prints == [0]
    assert [(segment.text, segment.voice) for segment in told.segments] == [("w0", 0), ("w1", 1)]
    session.on_message(final(session, 1, start=3100, end=4000))
    assert len(told.prints) == 1


async def test_prints_whose_final_never_came_are_told_once_with_its_replay(bench: Bench) -> None:
    told = Told()
    session = bench.session(told, options=DIARIZE)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(of(session, 1, prints((0, 1000, 0, 0))))
    assert (await opened_again(session, 2)).voices == ()
    session.on_message(of(session, 1, prints((0, 1000, 0, 0))))  # late, of the process that is gone
    session.on_message(heard(session, 2, "no", "prints", start=0, end=500))
    assert not told.prints
    session.on_message(of(session, 2, prints((500, 1000, 0, 0))))
    session.on_message(final(session, 2, start=500, end=3000))
    assert [each.generation for each in told.prints] == [2]


async def test_the_next_process_is_told_the_voices_that_were_heard(bench: Bench) -> None:
    session = bench.session(
        Told(), options=DIARIZE, voices=KnownVoices([voice(3, 0), voice(None, 2, name="Anna")], "e")
    )
    feed(session, bytes(2 * 5000))
    first = await opened_again(session, 1)
    assert ([each.number for each in first.voices], first.encoder) == ([3, None], "e")
    session.on_message(of(session, 1, prints((0, 1000, 4, 1), (1000, 2000, 5, 2))))
    message = final(session, 1, start=100, end=3000, voices=(4, 5))
    anna = message.spoke[1].model_copy(update={"name": "Anna"})
    session.on_message(message.model_copy(update={"spoke": (message.spoke[0], anna)}))
    second = await opened_again(session, 2)
    assert [(each.number, each.name) for each in second.voices] == [(3, None), (4, None), (5, "Anna")]
    assert mean_of(second.voices[1].embedding).argmax() == 1


async def test_what_a_pass_found_is_told_this_process_and_the_next(bench: Bench) -> None:
    session = bench.session(Told(), options=DIARIZE, voices=KnownVoices([voice(0, 0), voice(1, 1)], "e"))
    feed(session, bytes(2 * 5000))
    session.found_voices([voice(0, 2)], [1], "e")  # while no process is there
    link = Remembering()
    session.attach(link, 1)
    await settle_down()
    assert isinstance(link.said[0], Open)
    assert [(each.number, int(mean_of(each.embedding).argmax())) for each in link.said[0].voices] == [(0, 2)]
    session.found_voices([voice(0, 3), voice(5, 1)], [], "e")
    session.found_voices([voice(0, 1)], [], "f")  # of what another encoder heard
    [found] = [each for each in link.said if isinstance(each, FoundVoices)]
    assert [each.number for each in found.voices] == [0, 5]
    again = await opened_again(session, 2)
    assert [(each.number, int(mean_of(each.embedding).argmax())) for each in again.voices] == [(0, 3), (5, 1)]


async def test_without_being_asked_no_voice_is_told_the_process(bench: Bench) -> None:
    session = bench.session(Told(), voices=KnownVoices([voice(3, 0)], "e"))
    feed(session, bytes(2 * 5000))
    assert (await opened_again(session, 1)).voices == ()


async def test_a_listener_that_wants_no_prints_and_prints_that_are_damaged_cost_no_segment(bench: Bench) -> None:
    for told in (Told(), WordsHeard()):
        session = bench.session(told, options=DIARIZE)
        feed(session, bytes(2 * 5000))
        session.attach(Remembering(), 1)
        await settle_down()
        damaged = prints((0, 1000, 0, 0)).model_copy(update={"embeddings": b"\1"})
        session.on_message(of(session, 1, damaged))
        session.on_message(final(session, 1, start=100, end=1000))
        session.on_message(of(session, 1, prints((1000, 2000, 0, 0))))
        session.on_message(final(session, 1, start=1100, end=2000))
        assert len(told.segments) == 4
        assert not isinstance(told, Told) or len(told.prints) == 1


async def test_what_was_taken_back_takes_its_voices_along(bench: Bench) -> None:
    told = Told()
    session = bench.session(told, options=DIARIZE)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    interim = final(session, 1, start=100, end=2000).model_copy(update={"final": False})
    session.on_message(interim)
    nothing = interim.model_copy(update={"words": (), "spoke": (), "final": True})
    session.on_message(nothing)
    assert [(segment.text, segment.voice) for segment in told.segments] == [("w0 w1", 0), ("", 0)]


@pytest.mark.parametrize("generations", [(1, 2), (1, 1)])
async def test_a_session_that_costs_processes_by_its_voices_keeps_its_words_alone(
    bench: Bench, generations: tuple[int, int]
) -> None:
    session = bench.session(Told(), options=DIARIZE)
    feed(session, bytes(2 * 5000))
    for number, generation in enumerate(generations, 1):
        assert (await opened_again(session, number)).options.diarize
        session.lost_with_voices(generation)
    both = generations == (1, 2)
    assert len(generations) == LOST_WITH_VOICES_MAX
    assert (await opened_again(session, 3)).options.diarize is not both
    assert not session.suspect


def test_the_message_is_what_the_server_hands_over() -> None:
    assert HeardVoice.model_validate(voice(3, 0).model_dump(mode="json")) == voice(3, 0)
