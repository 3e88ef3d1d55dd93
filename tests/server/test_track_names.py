from __future__ import annotations

from dataclasses import replace

from server.store.records import Participant, Track
from server.track_names import track_names

TRACK = Track("a", "t-1", "", "Ben", 0.0, 1, 1, "finished", "webrtc", "t-1/a")


def test_each_is_called_as_people_call_the_voice_now_and_otherwise_than_the_rest() -> None:
    tracks = [
        TRACK,
        replace(TRACK, id="b", speaker="Anna"),
        replace(TRACK, id="c", speaker="Anna 2"),
        replace(TRACK, id="d", speaker=None, name="talk.wav"),
        replace(TRACK, id="e", speaker=None),
    ]
    people = [
        Participant("p", "t-1", label, name, None, None, 0.0) for label, name in (("Ben", "B/n"), ("Anna 2", "anna"))
    ]
    assert track_names(tracks, people, {}) == {"a": "B-n", "b": "2 Anna", "c": "3 anna", "d": "talk", "e": "5"}
    assert track_names([*tracks, replace(TRACK, id="f", speaker="2 ANNA")], people, {})["f"] == "6 2 ANNA"


def test_what_several_voices_share_is_nobodys() -> None:
    tracks = [replace(TRACK, name="talk.wav"), replace(TRACK, id="b", name="microphone", speaker="Anna")]
    labels = {("a", 1): "Ben", ("a", 2): "Cid", ("b", 1): "Anna"}  # of b people made two one
    assert track_names(tracks, [], labels) == {"a": "talk", "b": "Anna"}
