from __future__ import annotations

from server.recorder_place import Place


def test_a_place_of_nothing_named() -> None:
    assert Place().is_own
    assert not Place(track="a").is_own
    assert not Place(speaker="Anna").is_own
