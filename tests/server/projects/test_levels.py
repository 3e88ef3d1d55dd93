"""How loud it is now, and nothing of what it was."""

from __future__ import annotations

import pytest

from server.projects import levels as levels_module
from server.projects.levels import FLOOR_DBFS, FRESH_S, Levels
from tests.server.conftest import FakeClock


def test_it_is_told_for_a_moment() -> None:
    clock = FakeClock()
    levels = Levels(clock=clock)
    assert levels.of("a") is None
    levels.note("a", -20.5)
    levels.note("b", -3.0)
    assert (levels.of("a"), levels.of("b")) == (-20.5, -3.0)
    clock.now += FRESH_S - 0.1
    levels.note("b", -9.0)
    clock.now += 0.1
    assert (levels.of("a"), levels.of("b")) == (None, -9.0)


def test_what_cannot_be_is_what_comes_closest() -> None:
    levels = Levels()
    levels.note("loud", 7.0)
    levels.note("quiet", -1000.0)
    assert (levels.of("loud"), levels.of("quiet")) == (0.0, FLOOR_DBFS)


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels_module, "CONVERSATIONS_MAX", 2)
    levels = Levels()
    for name in ("a", "b", "a", "c"):
        levels.note(name, -1.0)
    assert [levels.of(name) for name in "abc"] == [-1.0, None, -1.0]
