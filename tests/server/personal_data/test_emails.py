"""E-mail addresses, written and spoken, and what only sounds like one."""

from __future__ import annotations

import pytest

from server.personal_data.emails import emails
from server.personal_data.found import kept
from server.personal_data.tokens import tokens


def found(text: str, language: str | None) -> list[str]:
    return [text[one.start : one.end] for one in kept(emails(tokens(text), language))]


@pytest.mark.parametrize(
    ("text", "language", "address"),
    [
        ("Write to anna.berg+news@mail.example.co.uk, please.", "en", "anna.berg+news@mail.example.co.uk"),
        ("(anna_b@example.museum)", "en", "anna_b@example.museum"),
        ("mailto:jürg@müller-söhne.example", "de", "jürg@müller-söhne.example"),
        ("メールはanna@example.orgです", "ja", "anna@example.org"),
        ("anna @ example.org", "en", "anna @ example.org"),
        ("I am anna at example dot org.", "en", "anna at example dot org"),
        ("Anna at example.org it is", "en", "Anna at example.org"),
        ("anna dot berg@example dot org", "en", "anna dot berg@example dot org"),
        ("it is anna underscore berg at mail dot example dot co dot uk", "en",
         "anna underscore berg at mail dot example dot co dot uk"),
        ("that is j o h n at g m a i l dot com", "en", "j o h n at g m a i l dot com"),
        ("it is anna 23 at example dot org", "en", "anna 23 at example dot org"),
        ("so anna nine nine at example dot org", "en", "anna nine nine at example dot org"),
        ("reach anna at big harbour bank dot com now", "en", "anna at big harbour bank dot com"),
        ("anna at my dash company dot com", "en", "anna at my dash company dot com"),
        ("Schreiben Sie an anna punkt berg at example punkt de bitte", "de", "anna punkt berg at example punkt de"),
        ("anna ät beispiel minus firma punkt at", "de", "anna ät beispiel minus firma punkt at"),
        ("info Klammeraffe example Punkt DE", "de", "info Klammeraffe example Punkt DE"),
        ("c'est anna tiret bas berg arobase exemple point fr", "fr", "anna tiret bas berg arobase exemple point fr"),
        ("anna at exemple point fr", "fr", "anna at exemple point fr"),
        ("anna arobase exemple point fr", None, "anna arobase exemple point fr"),
        ("es ana guion bajo garcia arroba ejemplo punto es", "es", "ana guion bajo garcia arroba ejemplo punto es"),
        ("anna liggend streepje berg apenstaartje voorbeeld punt nl", "nl",
         "anna liggend streepje berg apenstaartje voorbeeld punt nl"),
        ("mail naar anna at voorbeeld punt nl", "nl", "anna at voorbeeld punt nl"),
    ],
)  # fmt: skip
def test_addresses(text: str, language: str | None, address: str) -> None:
    assert found(text, language) == [address]


def test_several() -> None:
    text = "a@example.org, b@example.org and carl at example dot org"
    assert found(text, "en") == ["a@example.org", "b@example.org", "carl at example dot org"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("at that point in time", "en"),
        ("at one point we were at home", "en"),
        ("at this point it is late", None),
        ("we work at booking dot com", "en"),
        ("find us at example dot org", "en"),
        ("look at example.org", "en"),
        ("look at the red dot in the sky", "en"),
        ("we met at noon. Dot was late.", "en"),
        ("three apples @ two euros", "en"),
        ("ping @anna", "en"),
        ("anna@localhost", "en"),
        ("anna @ 192.168.0.1", "en"),
        ("um zehn at punkt", "de"),
        ("à ce point de vue", "fr"),
        ("hasta tal punto es así", "es"),
        ("at", "en"),
        ("@", "en"),
        ("x at", "en"),
        ("at x dot org", "en"),
    ],
)
def test_what_is_none(text: str, language: str | None) -> None:
    assert found(text, language) == []
