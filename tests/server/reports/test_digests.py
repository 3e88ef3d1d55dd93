"""A digest is small, names nobody, and comes back as it was kept."""

from __future__ import annotations

import json

from server.reports.digests import QUOTES_MAX, TERMS_MAX, Digest
from tests.server.reports.talks import digest


def test_what_the_conversation_has_is_taken_and_what_it_lacks_is_made() -> None:
    made = digest("The roof of the school leaks.", "The school needs a roof.")
    assert (made.title, made.summary) == (
        "School, roof, leaks, needs",
        "The roof of the school leaks. The school needs a roof.",
    )
    assert [(term.shown, term.times) for term in made.terms[:2]] == [("school", 2), ("roof", 2)]
    given = digest("The roof of the school leaks.", title="Ours", summary="By hand")
    assert (given.title, given.summary) == ("Ours", "By hand")
    assert digest().quotes == ()


def test_hours_of_speech_are_a_few_kilobytes_and_come_back() -> None:
    found = digest(*(f"Sentence {at} is about roof{at} and school{at % 7} and {'x' * 500}." for at in range(2000)))
    assert (len(found.terms), len(found.quotes)) == (TERMS_MAX, QUOTES_MAX)
    kept = json.dumps(found.to_json())
    assert len(kept) < 10_000
    assert Digest.from_json(json.loads(kept)) == found
