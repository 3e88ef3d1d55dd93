from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from asr.schedule import (
    CALM_S,
    FILE_PATIENCE_S,
    INTERIM_PATIENCE_S,
    SLOWEST_INTERIM_S,
    Cadence,
    Kind,
    Wish,
    choose,
    next_due_s,
)

NOW_S = 100.0
KINDS: tuple[Kind, ...] = ("final", "interim", "file", "guess")


def wish(name: str, *, final: bool = False, live: bool = True, due_s: float = 99.0, guess: bool = False) -> Wish:
    return Wish(name, final, live, due_s, guess)


INTERIM = wish("interim")
FINAL = wish("final", final=True)
FILE = wish("file", final=True, live=False)
OLD_FILE = wish("old file", final=True, live=False, due_s=NOW_S - FILE_PATIENCE_S - 0.1)
OLD_INTERIM = wish("old interim", due_s=NOW_S - INTERIM_PATIENCE_S - 0.1)
GUESS = wish("guess", due_s=0.0, guess=True)


def names(wishes: list[Wish], batch_max: int = 10, *before: Kind) -> list[str]:
    return [chosen.session_id for chosen in choose(wishes, NOW_S, batch_max, before)]


def test_finals_come_before_interims_and_live_before_files() -> None:
    assert names([INTERIM, FILE, FINAL]) == ["final"]
    assert names([FILE, INTERIM]) == ["interim"]
    assert names([FILE]) == ["file"]


def test_guesses_are_made_only_when_nothing_else_is_to_do_and_one_at_a_time() -> None:
    for other in (INTERIM, FINAL, FILE):
        assert names([GUESS, other]) == [other.session_id]
    assert names([GUESS, wish("other", guess=True), wish("not due", due_s=101.0)]) == ["guess"]


def test_a_file_that_waited_long_goes_before_interims() -> None:
    assert names([INTERIM, OLD_FILE]) == ["old file"]
    assert names([INTERIM, OLD_FILE], 10, "interim") == ["old file"]
    assert names([INTERIM, OLD_FILE, FINAL]) == ["final"]


def test_after_finals_what_waited_too_long_has_a_turn_and_after_that_finals_again() -> None:
    assert names([FINAL, OLD_INTERIM], 10, "final") == ["old interim"]
    assert names([FINAL, OLD_FILE], 10, "final") == ["old file"]
    assert names([FINAL, INTERIM, FILE], 10, "final") == ["final"]
    others: tuple[Kind, ...] = ("interim", "file")
    for before in others:
        assert names([FINAL, OLD_INTERIM, OLD_FILE], 10, before) == ["final"]


def test_files_that_wait_long_and_interims_that_do_take_turns() -> None:
    assert names([OLD_INTERIM, OLD_FILE], 10, "file") == ["old interim"]
    assert names([OLD_INTERIM, OLD_FILE], 10, "interim") == ["old file"]
    assert names([FINAL, OLD_INTERIM, OLD_FILE], 10, "interim", "final") == ["old file"]
    assert names([FINAL, OLD_INTERIM, OLD_FILE], 10, "file", "final") == ["old interim"]
    assert names([FINAL, OLD_INTERIM], 10, "interim", "final") == ["old interim"]


def test_the_most_overdue_interim_comes_first_and_none_before_its_time() -> None:
    wishes = [wish("soon", due_s=100.1), wish("last", due_s=99.6), wish("later", due_s=99.5), wish("late", due_s=98.5)]
    assert names(wishes, 2) == ["late", "later"]
    assert next_due_s([wish("soon", due_s=100.1), GUESS]) == 100.1
    assert next_due_s([]) is None


wishes_of = st.lists(
    st.builds(
        Wish,
        *(st.text(max_size=3), st.booleans(), st.booleans(), st.floats(90, 110), st.booleans()),
        alone=st.booleans(),
    )
)


@given(wishes_of, st.integers(1, 4), st.lists(st.sampled_from(KINDS), max_size=2).map(tuple))
def test_the_device_is_never_idle_while_something_is_due_and_a_batch_is_full_and_of_one_kind(
    wishes: list[Wish], batch_max: int, before: tuple[Kind, ...]
) -> None:
    due = [each for each in wishes if each.final or each.due_s <= NOW_S]
    chosen = choose(wishes, NOW_S, batch_max, before)
    assert bool(chosen) == bool(due)
    if chosen:
        single = chosen[0].guess or chosen[0].alone
        same = [each for each in due if each.kind == chosen[0].kind and (single or not each.alone)]
        assert {each.kind for each in chosen} == {chosen[0].kind}
        assert len(chosen) == (1 if single else min(len(same), batch_max))
        assert single or not any(each.alone for each in chosen)
        assert max(each.due_s for each in chosen) <= min((e.due_s for e in same if e not in chosen), default=1e9)


@given(
    st.sampled_from([("final",), ("interim",), ("file",), ("final", "interim"), ("final", "interim", "file")]),
    st.integers(1, 4),
    st.floats(0.05, 1.5),
)
def test_nobody_starves_whatever_the_others_want(flood: tuple[Kind, ...], batch_max: int, step_s: float) -> None:
    """Of each flooding kind three new wishes come with every step; one session of each kind wants one step."""
    make: dict[Kind, Callable[[str, float], Wish]] = {
        "final": lambda name, due_s: wish(name, final=True, due_s=due_s),
        "interim": lambda name, due_s: wish(name, due_s=due_s),
        "file": lambda name, due_s: wish(name, final=True, live=False, due_s=due_s),
    }
    now_s = 0.0
    before: tuple[Kind, ...] = ()
    waiting = [make[kind](f"one {kind}", 0.0) for kind in make]
    for step in range(200):
        waiting += [make[kind](f"{step}", now_s) for kind in flood for _ in range(3)]
        chosen = choose(waiting, now_s, batch_max, before)
        waiting = [each for each in waiting if each not in chosen]
        before = (*before[-1:], chosen[0].kind)
        now_s += step_s
        if not any(each.session_id.startswith("one") for each in waiting):
            break
    assert now_s <= FILE_PATIENCE_S + INTERIM_PATIENCE_S + 6 * step_s


def test_long_finals_are_heard_a_few_at_a_time_but_never_none() -> None:
    finals = [Wish(name, True, True, due_s, sound_samples=8) for due_s, name in enumerate("abcd")]
    chosen = choose(finals, NOW_S, 10, sound_max_samples=20)
    assert [wish.session_id for wish in chosen] == ["a", "b"]
    assert [wish.session_id for wish in choose(finals, NOW_S, 10, sound_max_samples=1)] == ["a"]
    assert len(choose(finals, NOW_S, 10)) == 4


def test_a_wish_to_be_alone_is_a_batch_of_its_own_when_its_turn_comes() -> None:
    first, second, third = wish("first", due_s=98.0), wish("second", due_s=98.5), wish("third", due_s=99.0)
    assert names([first, replace(second, alone=True), third]) == ["first", "third"]
    assert names([replace(second, alone=True), third]) == ["second"]
    assert names([replace(second, alone=True), replace(third, alone=True)]) == ["second"]


def late(cadence: Cadence, now_s: float, *, for_s: float) -> float:
    for _ in range(round(for_s / 0.1)):
        cadence.ran(1.0, now_s)
        now_s += 0.1
    return now_s


def test_cadence_stretches_step_by_step_while_behind_and_comes_back() -> None:
    cadence = Cadence(0.3)
    seen = [cadence.interval_s]
    now_s = 100.0
    for _ in range(100):
        cadence.ran(1.0, now_s)
        now_s += 0.1
        if cadence.interval_s != seen[-1]:
            seen.append(cadence.interval_s)
    assert seen == [0.3, 0.5, 1.0, 2.0]
    assert cadence.interval_s == SLOWEST_INTERIM_S
    assert not cadence.keeps_up
    for _ in range(100):
        cadence.ran(0.0, now_s)
        now_s += 0.1
        if cadence.interval_s != seen[-1]:
            seen.append(cadence.interval_s)
    assert seen == [0.3, 0.5, 1.0, 2.0, 1.0, 0.5, 0.3]
    assert cadence.keeps_up


def test_cadence_takes_one_step_at_a_time_for_all_that_are_late_at_once() -> None:
    cadence = Cadence(0.3)
    for _ in range(50):
        cadence.ran(1.0, 100.0)
    assert cadence.interval_s == 0.5


def test_cadence_that_came_back_too_early_waits_twice_as_long() -> None:
    cadence = Cadence(0.5)
    now_s = late(cadence, 100.0, for_s=0.1)
    cadence.calm(now_s + CALM_S)
    assert cadence.keeps_up
    now_s = late(cadence, now_s + CALM_S + 0.5, for_s=0.1)
    assert cadence.interval_s == 1.0
    cadence.calm(now_s + CALM_S + 1)
    assert cadence.interval_s == 1.0
    cadence.calm(now_s + 2 * CALM_S)
    assert cadence.keeps_up


def test_cadence_is_never_faster_than_wanted() -> None:
    cadence = Cadence(1.5)
    for at in range(60):
        cadence.ran(2.0, float(at))
    assert cadence.interval_s == 2.0
    slow = Cadence(4.0)
    slow.ran(9.0, 1.0)
    assert slow.interval_s == 4.0
