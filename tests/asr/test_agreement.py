from __future__ import annotations

from asr.agreement import LocalAgreement
from tests.asr.said import said


def test_case_and_punctuation_do_not_count() -> None:
    policy = LocalAgreement()
    assert policy.take((), said("Good, morning EVERYONE."), 0) == (0, 0)
    assert policy.take((), said("good morning everyone there"), 0) == (0, 3)
