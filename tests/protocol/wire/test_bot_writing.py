"""What we write as a bot is read as what we meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_items import Acted, Head, Moment, Picture, Sound
from protocol.wire.bot_writing import written
from protocol.wire.bots import BotMessages
from protocol.wire.dialects import Dialect

PARTICIPANTS = st.builds(MeetingParticipant, id=st.integers(0, 2**32 - 1), name=st.none() | st.text("abcÄ", max_size=9))
MOMENTS = st.builds(Moment, st.integers(0, 9999).map(lambda ms: ms / 1000), st.integers(10**9, 2 * 10**9).map(float))
PCM = st.binary(max_size=40).map(lambda data: data[: len(data) // 2 * 2])
CHATS = st.builds(
    Acted,
    st.just(ParticipantAction.CHAT_MESSAGE),
    PARTICIPANTS,
    MOMENTS,
    st.text("abc ä", max_size=20),
    st.sampled_from(["everyone", "only_bot"]),
)
OTHERS = st.sampled_from([each for each in ParticipantAction if each is not ParticipantAction.CHAT_MESSAGE])
SURFACES = st.sampled_from(["webcam", "screenshare"])
PICTURES = st.builds(Picture, PARTICIPANTS, SURFACES, st.sampled_from(["png", "h264"]), PCM, MOMENTS)
PICTURES |= st.builds(Picture, PARTICIPANTS, SURFACES, st.just("jpeg"), PCM.map(b"\xff\xd8\xff".__add__), MOMENTS)
ITEMS = st.builds(Sound, st.none() | PARTICIPANTS, PCM, st.just(16_000), MOMENTS) | CHATS
ITEMS |= st.builds(Acted, OTHERS, PARTICIPANTS, MOMENTS)


@given(ITEMS | PICTURES)
def test_in_the_dialect_of_recall_everything_can_be_said(item: Sound | Acted | Picture) -> None:
    text = written(item, Dialect.RECALL)
    assert text is not None
    assert BotMessages().read(text) == item


@given(PICTURES)
def test_others_show_no_pictures(picture: Picture) -> None:
    assert written(picture, Dialect.ATTENDEE) is written(picture, Dialect.LEGACY) is None


@given(ITEMS)
def test_in_that_of_attendee_sound_can_be_said(item: Sound | Acted) -> None:
    text = written(item, Dialect.ATTENDEE)
    if isinstance(item, Acted):
        assert text is None
        return
    assert text is not None
    found = BotMessages().read(text)
    assert isinstance(found, Sound)
    assert (found.pcm, found.rate_hz, found.moment) == (item.pcm, item.rate_hz, Moment(at=item.moment.at))
    assert (found.participant is None) is (item.participant is None)


@pytest.mark.parametrize("is_separate", [False, True])
def test_the_older_protocol_says_its_sound_in_frames(is_separate: bool) -> None:
    reader, who = BotMessages(), MeetingParticipant(id=7)
    head = Head(is_separate, 1.5)
    text = written(head, Dialect.LEGACY)
    assert text is not None
    assert reader.read(text) == head
    sound = Sound(who if is_separate else None, b"\x01\x00", 16_000, Moment())
    frame = written(sound, Dialect.LEGACY)
    assert frame is not None
    assert reader.read(frame) == sound
    assert written(Acted(ParticipantAction.JOIN, who, Moment(1.0)), Dialect.LEGACY) is None
