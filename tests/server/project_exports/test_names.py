from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.project_exports.names import DocumentNames
from server.project_exports.records import ConversationRecord
from tests.server.project_exports.conversations import RECORD, any_record


@pytest.mark.parametrize(
    ("name", "email", "middle"),
    [
        ("Anna Smith", "anna.smith@example.org", "_Anna Smith_anna.smith"),
        ("", "", ""),
        ("  ", "@example.org", ""),
        ("../../etc/passwd", "no address", "_etc-passwd_no address"),
        ("n" * 80, "m" * 80, f"_{'n' * 50}_{'m' * 30}"),
        ("会" * 60, "\U0001f600" * 40, f"_{'会' * 33}_{chr(0x1F600) * 15}"),
        ("con", "aux@x", "__con__aux"),
    ],
)
def test_names_tell_when_who_and_which(name: str, email: str, middle: str) -> None:
    assert (
        DocumentNames().of(replace(RECORD, name=name, email=email)) == f"20260101_100005{middle}_5f0c1d2e-transcript.md"
    )


def test_one_that_never_began_has_the_time_it_was_made() -> None:
    assert DocumentNames().of(replace(RECORD, started_at=None)).startswith("20260101_100000_")


def test_two_that_would_have_one_name_have_more_of_their_ids() -> None:
    names = DocumentNames()
    stem = "20260101_100005_Anna Smith_anna.smith_5f0c1d2e"
    assert names.of(RECORD) == f"{stem}-transcript.md"
    assert names.of(replace(RECORD, id="5f0c1d2e-other")) == f"{stem}-other-transcript.md"
    # Many file systems do not tell these from the first.
    assert names.of(replace(RECORD, name="ANNA SMITH")).endswith("_5f0c1d2e-3a4b-4c6d-8e9f-0a1b2c3d4e5f-transcript.md")
    # Nobody has one id twice; if it should be, no file is lost.
    assert names.of(replace(RECORD, id="5f0c1d2e-other")) == f"{stem}-other-2-transcript.md"


@given(st.lists(any_record(), max_size=6).map(lambda records: records * 2))
def test_names_are_safe_and_each_is_there_once(records: list[ConversationRecord]) -> None:
    names, again = DocumentNames(), DocumentNames()
    given_names = [names.of(record) for record in records]
    assert given_names == [again.of(record) for record in records]
    assert len({unicodedata.normalize("NFD", name).casefold() for name in given_names}) == len(records)
    for name in given_names:
        assert len(name.encode()) <= 240
        assert not set(name) & set('\\/:*?"<>|;%$`')
        assert not any(unicodedata.category(char).startswith("C") for char in name)
        assert name[:8].isdigit()
        assert name.endswith("-transcript.md")
