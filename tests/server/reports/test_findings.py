"""Thousands of digests become one report, in memory that stays flat."""

from __future__ import annotations

from dataclasses import replace

from server.reports.digests import Quote, Term
from server.reports.findings import LISTED_MAX, QUOTES_HELD_MAX, QUOTES_MAX, TERMS_HELD_MAX, TOPICS_MAX, Gathering
from tests.server.reports.talks import digest, findings_of


def test_what_many_say_comes_first() -> None:
    roof = [digest(f"The roof of the school leaks {at} times.", tags=("youth",)) for at in range(3)]
    found = findings_of(*roof, digest("We had soup with bread.", began_at=1_767_000_000.0))
    assert [(topic.word, topic.conversations) for topic in found.topics[:3]] == [
        ("school", 3),
        ("leaks", 3),
        ("times", 3),
    ]
    assert "roof" in found.quotes[0]
    assert [(tag.tag, tag.conversations, tag.minutes) for tag in found.tags] == [("youth", 3, 3)]
    assert (found.conversations, found.minutes, found.words) == (4, 4, 40)
    assert (found.from_at, found.to_at) == (1_767_000_000.0, 1_767_268_800.0)


def test_nothing_gives_a_report_of_nothing() -> None:
    found = findings_of()
    assert (found.conversations, found.from_at, found.topics, found.quotes, found.listed) == (0, None, (), (), ())


def test_ten_thousand_conversations_take_no_more_room_than_a_few() -> None:
    gathering = Gathering()
    one = digest("The roof of the school leaks.")
    for at in range(10_000):
        terms = tuple(Term(f"w{at}x{each}", f"W{at}x{each}", 1) for each in range(4))
        quotes = (Quote(f"It leaks for the {at}th time.", ("leaks", f"t{at}")),)
        gathering.add(replace(one, terms=(*terms, *one.terms), quotes=quotes))
        assert len(gathering._terms) <= TERMS_HELD_MAX
        assert len(gathering._quotes) <= QUOTES_HELD_MAX
    found = gathering.findings(name="", language="en", made_at=0.0)
    assert (found.conversations, len(found.listed), found.unlisted) == (10_000, LISTED_MAX, 10_000 - LISTED_MAX)
    assert (len(found.topics), len(found.quotes)) == (TOPICS_MAX, QUOTES_MAX)
    assert {topic.word for topic in found.topics[:3]} == {"school", "leaks", "roof"}
    assert found.topics[0].conversations == 10_000
