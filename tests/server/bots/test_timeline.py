"""Who spoke when, by what the bot was told and by what was heard."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.recall_documents import Spoken
from server.bots.timeline import PAUSE_S, participants_of, said_by, speaking_times

ADA, BEN = MeetingParticipant(id=1, name="Ada"), MeetingParticipant(id=2, name="Ben")
ON, OFF, LEAVE = ParticipantAction.SPEECH_ON, ParticipantAction.SPEECH_OFF, ParticipantAction.LEAVE
EVERYBODY = {1: ADA, 2: BEN}
END_S = 100.0


def acted(action: ParticipantAction, who: MeetingParticipant, at_s: float) -> ParticipantActed:
    return ParticipantActed(action=action, participant=who, relative_s=at_s, at=at_s)


def times(told: list[ParticipantActed], *heard: Spoken) -> list[tuple[str | None, float, float]]:
    found = speaking_times(told, heard, EVERYBODY, end_s=END_S)
    return [(each.participant.name, each.start_s, each.end_s) for each in found]


def test_what_the_bot_was_told_counts_before_what_was_heard() -> None:
    told = [acted(ON, ADA, 1), acted(ON, ADA, 2), acted(OFF, ADA, 3), acted(OFF, ADA, 4), acted(ON, ADA, 8)]
    heard = Spoken(ADA, 1.2, 2.8), Spoken(BEN, 2.0, 4.0)
    assert times(told, *heard) == [("Ada", 1, 3), ("Ben", 2, 4), ("Ada", 8, END_S)]


def test_who_leaves_has_stopped() -> None:
    assert times([acted(ON, ADA, 1), acted(LEAVE, ADA, 5), acted(OFF, ADA, 6)]) == [("Ada", 1, 5)]


def test_short_pauses_are_none() -> None:
    heard = Spoken(ADA, 1, 3), Spoken(ADA, 3 + PAUSE_S / 2, 6), Spoken(ADA, 5, 5.5), Spoken(ADA, 6 + PAUSE_S, 9)
    assert times([], *heard) == [("Ada", 1, 6), ("Ada", 6 + PAUSE_S, 9)]


def test_what_is_told_of_participants_stays_until_it_is_told_anew() -> None:
    host = ADA.model_copy(update={"is_host": True, "email": "a@example.org"})
    later = MeetingParticipant(id=1, name="Ada Lovelace", is_host=False)
    found = participants_of([acted(ON, host, 1), acted(OFF, later, 2)], [BEN, ADA])
    assert found == {1: MeetingParticipant(id=1, name="Ada Lovelace", is_host=False, email="a@example.org"), 2: BEN}


def test_what_was_told_last_counts_by_whatever_it_was() -> None:
    told = [
        MeetingParticipant(id=1, platform="zoom"),
        MeetingParticipant(id=2, name="Benjamin", is_host=True),  # whom somebody named by hand since
        MeetingParticipant(id=3, name="Cleo"),
    ]
    found = participants_of([acted(ON, ADA, 1)], [BEN], told)
    assert found == {
        1: MeetingParticipant(id=1, name="Ada", platform="zoom"),
        2: MeetingParticipant(id=2, name="Ben", is_host=True),
        3: MeetingParticipant(id=3, name="Cleo"),
    }
    assert list(found) == [1, 2, 3]


def test_words_of_a_whole_room_are_of_who_spoke_most_meanwhile() -> None:
    timeline = [Spoken(ADA, 0, 10), Spoken(BEN, 9, 20)]
    assert said_by(8, 10.5, timeline) == ADA
    assert said_by(9.5, 12, timeline) == BEN
    assert said_by(30, 31, timeline) is None


_ACTED = st.builds(acted, st.sampled_from([ON, OFF, LEAVE]), st.sampled_from([ADA, BEN]), st.integers(0, 99))


@given(st.lists(_ACTED, max_size=20).map(lambda each: sorted(each, key=lambda one: one.relative_s)))
def test_nobody_speaks_twice_at_a_time(told: list[ParticipantActed]) -> None:
    found = times(told)
    assert found == sorted(found, key=lambda each: each[1])
    for name in ("Ada", "Ben"):
        own = [each for each in found if each[0] == name]
        assert all(0 <= start <= end <= END_S for _, start, end in own)
        assert all(before[2] <= after[1] for before, after in pairwise(own))
