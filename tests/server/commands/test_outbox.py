from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.commands.outbox import Outbox


def test_what_is_acknowledged_is_forgotten() -> None:
    box = Outbox(2)
    box.append(b"aabbcc")
    box.append(b"dd")
    box.ack(2)
    assert box.unacked_bytes == 4
    assert b"".join(box.since(2)) == b"ccdd"
    assert b"".join(box.since(3)) == b"dd"
    assert box.since(4) == []


def test_an_ack_never_goes_back_nor_beyond_what_was_sent() -> None:
    box = Outbox(1)
    box.append(b"abc")
    box.ack(2)
    box.ack(1)
    box.ack(9)
    assert box.acked == 2
    with pytest.raises(ValueError, match="position 1"):
        box.since(1)
    with pytest.raises(ValueError, match="position 4"):
        box.since(4)


def test_a_part_of_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        Outbox(2).append(b"abc")


@given(st.lists(st.one_of(st.binary(max_size=9), st.integers(0, 60)), max_size=30), st.integers(0, 60))
def test_it_always_gives_back_exactly_what_is_missing(steps: list[bytes | int], position: int) -> None:
    box, whole = Outbox(1), b""
    for step in steps:
        if isinstance(step, bytes):
            box.append(step)
            whole += step
        else:
            box.ack(step)
    if box.acked <= position <= box.end:
        assert b"".join(box.since(position)) == whole[position:]
