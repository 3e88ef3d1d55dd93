"""The page runs nothing and shows what was said, whatever that is."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from server.reports.html import HEADERS, POLICY, STYLE, as_html
from server.reports.words import words_of
from tests.server.reports.talks import HOSTILE, digest, findings_of, hostile


class Seen(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


OURS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "table", "tr", "th", "td"} | {
    "blockquote",
    "bdi",
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "dir", "class"}


def test_hostile_text_is_only_shown() -> None:
    page = as_html(hostile()).decode()
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= OURS
    assert {name for _, given in seen.tags for name in given} <= ATTRIBUTES
    assert "".join(seen.texts).count("<script>alert(1)</script>") >= 5  # name, title, summary, tag, quote
    assert page.count("<style>") == page.count("</style>") == page.count("<title>") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)
    assert HOSTILE not in page


def test_its_policy_lets_in_nothing_but_its_own_style() -> None:
    page = as_html(findings_of(digest("The roof leaks."))).decode()
    assert f"<style>{STYLE}</style>" in page
    assert "default-src &#x27;none&#x27;" in page
    assert "script" not in POLICY
    assert HEADERS["Content-Security-Policy"].endswith("sandbox")


@pytest.mark.parametrize("language", ["en", "de-AT", "fr", "es", "nl", "zh"])
def test_its_own_words_are_in_the_projects_language_where_we_know_it(language: str) -> None:
    page = as_html(findings_of(digest("The roof leaks."), language=language)).decode()
    words = words_of(language)
    assert words.language == (language[:2] if language[:2] in ("de", "fr", "es") else "en")
    assert f'<html lang="{words.language}">' in page
    shown = "".join(Seen(page).texts)
    assert words.method in shown
    assert words.topics in shown
    assert as_html(findings_of(digest("The roof leaks."), language=language)).decode() == page


def test_a_report_of_nothing_says_so() -> None:
    assert words_of("en").nothing in as_html(findings_of()).decode()
