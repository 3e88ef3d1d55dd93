from __future__ import annotations

from asr.agreement import agreed
from tests.asr.said import said


def test_case_and_punctuation_do_not_count() -> None:
    assert agreed(said("Good, morning EVERYONE."), said("good morning everyone there")) == 3
