from __future__ import annotations

from dataclasses import replace

import pytest

from server.project_exports.records import iso_utc, moment
from tests.server.project_exports.conversations import RECORD


@pytest.mark.parametrize(
    ("epoch_s", "told"),
    [
        (1_767_261_605.5, "2026-01-01T10:00:05.500Z"),
        (-1e9, "1970-01-01T00:00:00.000Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_told_in_utc_and_within_what_dates_can_be(epoch_s: float, told: str) -> None:
    assert iso_utc(moment(epoch_s)) == told


def test_a_conversation_that_never_began_has_the_time_it_was_made() -> None:
    assert RECORD.began_at == RECORD.started_at
    assert replace(RECORD, started_at=None).began_at == RECORD.created_at
