"""What is printed while a server hears: each word once."""

from __future__ import annotations

from protocol.events import Event, Transcribed
from protocol.wire.v1 import render
from protocol.words import Segment
from server.commands.hearing_remotely import Words
from server.speaker_cuts import cut, joined
from tests.server.spoken import segment


class Lines:
    def __init__(self) -> None:
        self.finals: list[str] = []

    def final(self, segment: Segment) -> None:
        self.finals.append(segment.text)

    def interim(self, segment: Segment) -> None: ...

    def progress(self, done_s: float, total_s: float | None) -> None: ...

    def notice(self, sentence: str) -> None: ...

    def close(self) -> None: ...


def test_what_a_pass_cuts_or_takes_back_is_printed_no_second_time() -> None:
    screen = Lines()
    words = Words(screen)
    first, second = segment(text="one two three"), segment("seg_2", "four", start_samples=16_000)
    pieces = [piece for piece, _ in cut(first, lambda word: word.text) or []]
    gone = [piece.model_copy(update={"text": "", "words": (), "revision": 2}) for piece in pieces[1:]]
    for said in (first, *pieces, second, *gone, joined(pieces)):
        event = Event(transcript_id="t", seq=1, at=0.0, body=Transcribed(segment=said, track_started_at=0.0))
        words.take(render(event))
    assert screen.finals == ["one two three", "four"]


def test_what_was_cut_while_nobody_listened_is_printed_piece_by_piece() -> None:
    screen = Lines()
    words = Words(screen)
    for piece, _ in cut(segment(text="one two three"), lambda word: word.text) or []:
        words.final(piece)
    assert screen.finals == ["one", "two", "three"]
