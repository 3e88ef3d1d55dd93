"""Where a language is spoken."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.personal_data.regions import language_of, regions_of


@pytest.mark.parametrize(
    ("tag", "language", "regions"),
    [
        ("nl", "nl", ("NL", "BE")),
        ("nl-BE", "nl", ("BE",)),
        ("en_gb", "en", ("GB",)),
        ("zh-Hans-CN", "zh", ("CN",)),
        ("es-419", "es", ("ES",)),
        ("tlh-AT", "", ("AT",)),
        ("auto", "", ()),
        ("", "", ()),
        (None, "", ()),
    ],
)
def test_tags(tag: str | None, language: str, regions: tuple[str, ...]) -> None:
    assert language_of(tag) == language
    assert regions_of(tag) == regions


@given(st.text() | st.from_regex(r"[a-z]{2}(-[A-Za-z]{2})?", fullmatch=True))
def test_regions_are_those_that_have_telephones(tag: str) -> None:
    assert set(regions_of(tag)) <= phonenumbers.SUPPORTED_REGIONS
