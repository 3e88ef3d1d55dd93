"""Which pieces a track's file is made of, whoever put them in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.blobs import KEY, Listed
from server.nodes.sound_pieces import Piece, good_pieces, key_of, upload_key

PATH = "0b6a/trk_1"


def put(begin: int, length: int, turn: int) -> Listed:
    return Listed(key_of(PATH, begin, turn), length, 0.0)


def ends(*found: Listed) -> list[tuple[int, int]]:
    return [(piece.begin_bytes, piece.end_bytes) for piece in good_pieces(found)]


def test_keys_are_keys_of_blobs() -> None:
    assert KEY.fullmatch(key_of(PATH, 12, 1_700_000_000))
    assert KEY.fullmatch(upload_key(PATH))


def test_pieces_of_one_turn_follow_each_other() -> None:
    assert good_pieces([put(10, 5, 1), Listed(upload_key(PATH), 99, 0.0), put(0, 10, 1)]) == [
        Piece(0, 10, key_of(PATH, 0, 1)),
        Piece(10, 15, key_of(PATH, 10, 1)),
    ]
    assert good_pieces([]) == []


def test_what_comes_after_a_hole_is_not_there_yet() -> None:
    assert ends(put(0, 10, 1), put(20, 10, 1)) == [(0, 10)]
    assert ends(put(10, 10, 1)) == []


def test_a_later_turn_takes_back_what_was_put_behind_its_beginning() -> None:
    assert ends(put(0, 10, 1), put(10, 10, 1), put(10, 4, 2)) == [(0, 10), (10, 14)]
    assert ends(put(0, 10, 1), put(10, 0, 2), put(10, 10, 1), put(20, 10, 1)) == [(0, 10)]
    assert ends(put(0, 20, 1), put(15, 10, 2)) == [(0, 15), (15, 25)]
    assert ends(put(0, 20, 1), put(15, 10, 2), put(5, 3, 3)) == [(0, 5), (5, 8)]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, int, bytes]], bytes]:
    """What was put in several turns (where, in which turn, what), and what the file is then. A turn begins where the
    one before it had come to, or before that where its tail was cut; the one before may go on all the same."""
    puts: list[tuple[int, int, bytes]] = []
    file = b""
    for turn in range(1, draw(st.integers(1, 4)) + 1):
        begin = draw(st.integers(max(0, len(file) - 3), len(file)))
        file = file[:begin]
        puts.append((begin, turn, b""))
        stray = bytes(draw(st.lists(st.integers(0, 255), max_size=6)))
        if turn > 1 and stray:
            puts.append((begin, turn - 1, stray))
        for size in draw(st.lists(st.integers(1, 5), max_size=4)):
            data = bytes([turn]) * size
            puts.append((len(file), turn, data))
            file += data
    return puts, file


@given(histories())
def test_whatever_was_put_the_file_is_what_the_last_turn_made_of_it(
    history: tuple[list[tuple[int, int, bytes]], bytes],
) -> None:
    puts, file = history
    objects = {key_of(PATH, begin, turn): data for begin, turn, data in puts}
    pieces = good_pieces(Listed(key, len(data), 0.0) for key, data in sorted(objects.items()))
    assert b"".join(objects[each.key][: each.end_bytes - each.begin_bytes] for each in pieces) == file
