from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.schedule import FILE_PATIENCE_S, SLOWEST_INTERIM_S, Cadence, Wish, choose, next_due_s

NOW_S = 100.0


def wish(name: str, *, final: bool = False, live: bool = True, due_s: float = 99.0) -> Wish:
    return Wish(name, final, live, due_s)


def names(wishes: list[Wish], batch_max: int = 10) -> list[str]:
    return [chosen.session_id for chosen in choose(wishes, NOW_S, batch_max)]


def test_finals_come_before_interims_and_live_before_files() -> None:
    wishes = [wish("interim"), wish("file", final=True, live=False), wish("final", final=True)]
    assert names(wishes) == ["final", "interim", "file"]


def test_a_file_that_waited_long_goes_before_interims() -> None:
    file = wish("file", final=True, live=False, due_s=NOW_S - FILE_PATIENCE_S - 0.1)
    assert names([wish("interim"), file, wish("final", final=True)]) == ["final", "file", "interim"]


def test_the_most_overdue_interim_comes_first_and_none_before_its_time() -> None:
    wishes = [wish("soon", due_s=100.1), wish("late", due_s=98.0), wish("later", due_s=99.5)]
    assert names(wishes) == ["late", "later"]
    assert next_due_s([wish("soon", due_s=100.1)]) == 100.1
    assert next_due_s([]) is None


@given(
    st.lists(st.builds(Wish, st.text(max_size=3), st.booleans(), st.booleans(), st.floats(90, 110))), st.integers(1, 4)
)
def test_the_device_is_never_idle_while_something_is_due(wishes: list[Wish], batch_max: int) -> None:
    due = [each for each in wishes if each.final or each.due_s <= NOW_S]
    assert len(choose(wishes, NOW_S, batch_max)) == min(len(due), batch_max)


def test_cadence_stretches_while_behind_and_recovers() -> None:
    cadence = Cadence(0.3)
    for _ in range(20):
        cadence.ran(1.0)
    assert cadence.interval_s == SLOWEST_INTERIM_S
    for _ in range(40):
        cadence.ran(0.0)
    assert cadence.interval_s == 0.3
