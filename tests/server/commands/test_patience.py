from __future__ import annotations

import random

from server.commands.patience import LONGEST_WAIT_S, Patience


def test_waits_grow_up_to_a_bound_then_it_gives_up() -> None:
    patience = Patience(60.0, random.Random(1))
    waits, now_s = [], 100.0
    while (wait_s := patience.failed(now_s)) is not None:
        waits.append(wait_s)
        now_s += wait_s
    assert waits[0] < 0.5
    assert max(waits) <= LONGEST_WAIT_S * 1.3
    assert 60 <= now_s - 100.0 <= 60 + LONGEST_WAIT_S * 1.3


def test_success_begins_anew() -> None:
    patience = Patience(1.0, random.Random(1))
    patience.failed(0.0)
    assert patience.failed(2.0) is None
    patience.worked()
    wait_s = patience.failed(3.0)
    assert wait_s is not None
    assert wait_s < 0.5
