"""Voices told apart without a server."""

from __future__ import annotations

from asr.wire import VoicePrints
from protocol.words import Segment, Word
from server.commands.voices_here import VoicesHere
from tests.server.spoken_prints import STEP_SAMPLES, prints


def said(text: str, at: int, voice: int) -> Segment:
    """Each word is as long as a step, from step ``at`` on."""
    words = tuple(
        Word(text=word, start_samples=(at + i) * STEP_SAMPLES, end_samples=(at + i + 1) * STEP_SAMPLES)
        for i, word in enumerate(text.split())
    )
    return Segment(
        segment_id=f"seg_{at}",
        track="trk_here",
        text=text,
        start_samples=words[0].start_samples,
        end_samples=words[-1].end_samples,
        is_final=True,
        words=words,
        voice=voice,
    )


def heard(at: int, told: list[int], voices: list[int]) -> VoicePrints:
    stored = prints("trk_here", at * STEP_SAMPLES, told, voices)
    return VoicePrints.model_construct(
        session_id="s",
        generation=1,
        encoder=stored.encoder,
        dim=stored.dim,
        steps=stored.steps,
        embeddings=stored.embeddings,
    )


async def test_labels_are_those_of_all_that_was_heard_without_gaps() -> None:
    here = VoicesHere(None)
    talk = [
        ("a b c d e f", 0, 0, [0] * 6),
        ("g", 7, 1, [2]),
        ("h i j k l m", 9, 2, [3] * 6),
        ("n o p q", 16, 0, [0, 0, 3, 3]),
    ]
    told = []
    for text, at, voice, voices in talk:
        here.keep(heard(at, [voice] * len(voices), voices))
        told.append(here.voiced(said(text, at, voice)))
    assert [each.speaker for each in told] == ["Speaker 1", "Speaker 2", "Speaker 3", "Speaker 1"]
    after = await here.told_anew(told)
    assert [(each.text, each.label) for each in after if each.text != "g"] == [
        ("a b c d e f", "Speaker 1"),
        ("h i j k l m", "Speaker 2"),
        ("n o", "Speaker 1"),
        ("p q", "Speaker 2"),
    ]
    assert [word for each in after for word in each.words] == [word for each in told for word in each.words]


async def test_as_many_as_are_said_to_speak() -> None:
    here = VoicesHere(1)
    for at, voice in ((0, 0), (8, 3)):
        here.keep(heard(at, [voice] * 6, [voice] * 6))
    after = await here.told_anew([said("a b c d e f", 0, 0), said("g h i j k l", 8, 3)])
    assert {each.label for each in after} == {"Speaker 1"}


async def test_where_no_voice_was_heard_nothing_changes() -> None:
    told = [said("a b", 0, 0)]
    assert await VoicesHere(None).told_anew(told) == told
