"""Whatever is said, a reader of Markdown finds text and code spans in it, and shows what was said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from rich.markdown import Markdown

from server.exports import clean
from server.project_exports.inert import inert
from tests.server.project_exports.conversations import hostile_text

TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What viewers make links of in text, after escapes are gone (GitHub's specification, 6.9; domains besides).
LINKED = re.compile(
    r"(?i)www\.|(?:https?|ftp)://|[\w.+-]+@[\w-]*\.?[\w-]+\.\w|(?:mailto|xmpp):\S|//\w|\w\.(?:com|org|net|de|co)\b"
)


def shown(line: str) -> tuple[str, str]:
    """What is shown of one line, and of that what is not code; fails when it is anything but one paragraph of both."""
    tokens = Markdown(line).parsed
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "code_inline"}
    return (
        "".join(child.content for child in children),
        "".join(child.content if child.type == "text" else "\n" for child in children),
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("just what was said, 50% of it - well: yes.", "just what was said, 50% of it - well: yes."),
        ("# no *heading* of_mine", r"\# no \*heading\* of\_mine"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a &lt; b | c `d`", "a &amp;lt; b &#124; c &#96;d&#96;"),
        ("![x](javascript:alert) [y]", r"!\[x\](javascript:alert) \[y\]"),
        ("go to (https://x.de/a_b?c=1&d=2).", "go to (`https://x.de/a_b?c=1&d=2`)."),
        ("I am anna@example.org, @anna", "I am `anna@example.org`, `@anna`"),
        ("see www.x.de or x.org", "see `www.x.de` or `x.org`"),
        ("e.g. 3.5 at 5 p.m.... Then", "e.g. 3.5 at 5 p.m.... Then"),
        ("- a list", r"\- a list"),
        ("12. a list", r"12\. a list"),
        ("12.5 metres", "12.5 metres"),
        ("10:30 it was", "10:30 it was"),
        ("two\nlines\x00", "two lines"),
        ("turned \u202eround", "turned round"),
        ("{{ page }} %%hidden%% $x$", r"\{\{ page \}\} \%\%hidden\%\% \$x\$"),
        ("", ""),
    ],
)
def test_exactly(text: str, written: str) -> None:
    assert inert(text) == written


@given(hostile_text())
def test_any_text_shows_just_as_it_is(text: str) -> None:
    said = clean(TURNS.sub("", text))
    written = inert(text)
    if not said:
        assert written == ""
        return
    whole, outside_code = shown(written)
    assert whole == said
    assert LINKED.search(outside_code) is None


@given(hostile_text())
def test_any_text_stays_in_bold_and_in_its_cell(text: str) -> None:
    written = inert(text)
    if not written:
        return
    bold = Markdown(f"00:05 **{written}:** word").parsed[1].children or []
    assert [token.type for token in bold if token.type.startswith("strong")] == ["strong_open", "strong_close"]
    assert "".join(token.content for token in bold) == f"00:05 {clean(TURNS.sub('', text))}: word"
    table = Markdown(f"| | |\n|---|---|\n| Name | {written} |\n| Last | word |").parsed
    told = [token for token in table if token.type == "inline"]
    assert len(told) == 6
    assert "".join(child.content for child in told[3].children or []) == clean(TURNS.sub("", text))
    assert told[5].content == "word"
