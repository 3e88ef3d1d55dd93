"""Who spoke how much: known talk, known figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment, Word
from server.speaker_figures import SpeakerFigures, figures_of
from tests.server.spoken import segment


def said(who: str, from_s: float, to_s: float, *, track: str = "trk_1", name: str = "", words: int = 2) -> Segment:
    """Words without a pause."""
    start, end = round(from_s * SAMPLE_RATE_HZ), round(to_s * SAMPLE_RATE_HZ)
    edges = [start + (end - start) * i // words for i in range(words + 1)]
    spoken = tuple(Word(text="so", start_samples=edges[i], end_samples=edges[i + 1]) for i in range(words))
    update = {
        "words": spoken,
        "end_samples": end,
        "track": track,
        "speaker": name or who,
        "speaker_label": who if name else None,
    }
    told = segment(f"seg_{track}_{start}", " ".join(["so"] * words), start_samples=start)
    return told.model_copy(update=update)


def of(*segments: Segment, offsets: dict[str, int] | None = None) -> dict[str, SpeakerFigures]:
    return {each.label: each for each in figures_of(segments, offsets or {})}


def test_talk_turns_and_words_of_two_at_one_microphone() -> None:
    found = of(
        said("Speaker 1", 0, 2, name="Ann"),
        said("Speaker 1", 2.9, 4, name="Ann"),  # a pause below a second is talk
        said("Speaker 2", 5, 6, words=4),
        said("Speaker 1", 7, 8, name="Ann"),
        said("Speaker 1", 10, 11, name="Ann"),  # one turn, with a pause that is no talk
    )
    assert list(found) == ["Speaker 1", "Speaker 2"]
    ann, other = found.values()
    assert (ann.name, ann.talk_samples, ann.turns) == ("Ann", 6 * SAMPLE_RATE_HZ, 2)
    assert (ann.longest_turn_samples, ann.words) == (4 * SAMPLE_RATE_HZ, 8)
    assert (other.name, other.talk_samples, other.turns, other.words) == ("Speaker 2", SAMPLE_RATE_HZ, 1, 4)
    assert (ann.share, other.share) == (6 / 7, 1 / 7)
    assert (ann.words_per_minute, other.words_per_minute) == (80, 240)
    assert {(each.interruptions, each.interrupted) for each in found.values()} == {(None, None)}


def test_who_is_given_another_name_in_the_middle_is_one() -> None:
    found = of(said("Speaker 1", 0, 1), said("Speaker 1", 2, 3, name="Ann"))
    assert [(each.label, each.name, each.turns) for each in found.values()] == [("Speaker 1", "Ann", 1)]


@pytest.mark.parametrize(
    ("from_s", "to_s", "counts"),
    [
        (3.0, 6.0, True),  # Ann stops a second after Ben began
        (3.9, 6.0, False),  # on her last syllable
        (2.0, 6.0, False),  # both go on for two seconds
        (3.0, 3.9, False),  # she goes on, he does not
        (4.2, 6.0, False),  # she was silent
        (0.0, 6.0, False),  # both began at once
    ],
)
def test_an_interruption_is_one_whom_the_other_gives_way_to(from_s: float, to_s: float, counts: bool) -> None:
    found = of(said("Ann", 0, 4, track="a", words=8), said("Ben", from_s, to_s, track="b"))
    assert (found["Ben"].interruptions, found["Ann"].interrupted) == (int(counts), int(counts))
    assert (found["Ann"].interruptions, found["Ben"].interrupted) == (0, 0)


def test_tracks_that_began_later_are_later() -> None:
    told = said("Ann", 0, 4, track="a"), said("Ben", 0, 3, track="b")
    assert of(*told)["Ben"].interruptions == 0
    assert of(*told, offsets={"b": 3 * SAMPLE_RATE_HZ})["Ben"].interruptions == 1


def test_it_cannot_be_seen_of_those_who_share_a_track() -> None:
    found = of(
        said("Ann", 0, 4, track="a"),
        said("Ben", 3, 6, track="b"),
        said("Cyd", 5, 9, track="c"),
        said("Dan", 10, 12, track="c"),
        said("Dan", 12.5, 13, track="d"),
    )
    assert (found["Ann"].interrupted, found["Ben"].interruptions) == (1, 1)
    assert {(found[who].interruptions, found[who].interrupted) for who in ("Cyd", "Dan")} == {(None, None)}


def test_one_alone_interrupts_nobody_who_could_be_seen() -> None:
    assert of(said("Ann", 0, 4, track="a"), said("Ann", 3, 5, track="b"))["Ann"].interruptions is None


def test_interims_empty_ones_and_words_of_nobody_do_not_count() -> None:
    told = said("Ann", 0, 1)
    changes = ({"is_final": False}, {"text": " "}, {"speaker": ""}, {"speaker": None})
    assert figures_of([told.model_copy(update=change) for change in changes], {}) == []


def test_words_without_times_are_spread_over_their_segment() -> None:
    told = said("Ann", 1, 3).model_copy(update={"words": (), "text": "one two three"})
    assert (of(told)["Ann"].talk_samples, of(told)["Ann"].words) == (2 * SAMPLE_RATE_HZ, 3)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300), st.integers(1, 60)), min_size=1, max_size=30))
def test_whatever_is_said_it_adds_up(talk: list[tuple[str, int, int]]) -> None:
    told = [said(who, at / 10, (at + length) / 10, track=who) for who, at, length in talk]
    found = figures_of(told, {})
    assert {each.label for each in found} == {who for who, _, _ in talk}
    assert sum(each.share for each in found) == pytest.approx(1)
    assert sum(each.words for each in found) == 2 * len(talk)
    for each in found:
        assert 0 < each.longest_turn_samples <= each.talk_samples
        assert each.longest_turn_samples * each.turns >= each.talk_samples
    if len(found) > 1:
        assert sum(each.interruptions or 0 for each in found) == sum(each.interrupted or 0 for each in found)
