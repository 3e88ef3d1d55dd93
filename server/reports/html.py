"""A report as one page of HTML that needs nothing else and runs nothing. Pure.

Everything that people said or named is escaped; the page's own policy (CSP, in the page and in ``HEADERS``) lets no
script, no address and no style in but its own, so that what slipped through would still do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from server.exports import clean
from server.project_exports.records import moment
from server.reports.findings import Findings, Listed
from server.reports.words import Words, words_of

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1,h2,h3{line-height:1.25}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin-bottom:.2rem}
table{border-collapse:collapse}th,td{text-align:start;padding:.2rem 1.5rem .2rem 0}td.n{text-align:end}
blockquote{margin:1rem 0;padding-inline-start:1rem;border-inline-start:4px solid #8aa}
.facts,.note{color:#555}p{overflow-wrap:anywhere}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
HEADERS = {"Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'; sandbox"}
# They turn the direction of all that follows, our own words included; each text has a direction of its own instead.
_TURNS = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))


def plain(text: str) -> str:
    """On one line, without controls and without what turns the direction of writing."""
    return clean(text.translate(_TURNS))


def as_html(findings: Findings) -> bytes:
    """The page, in UTF-8. The same findings make the same bytes."""
    words = words_of(findings.language)
    head = (
        f'<!doctype html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{_safe(findings.name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    body = "\n".join(_blocks(findings, words))
    return f"{head}{body}\n</body>\n</html>\n".encode()


def _safe(text: str) -> str:
    return escape(plain(text))


def _blocks(findings: Findings, words: Words) -> Iterator[str]:
    yield f'<h1 dir="auto">{_safe(findings.name)}</h1>'
    yield f'<p class="facts">{escape(words.made.format(at=f"{moment(findings.made_at):%Y-%m-%d %H:%M}"))}</p>'
    yield f'<p class="note">{escape(words.method)}</p>'
    if not findings.conversations or findings.from_at is None or findings.to_at is None:
        yield f"<p>{escape(words.nothing)}</p>"
        return
    first, last = day(findings.from_at), day(findings.to_at)
    facts = (
        f"{escape(words.conversations)}: {findings.conversations}; {escape(words.minutes)}: {findings.minutes}; "
        f"{escape(words.words)}: {findings.words}. {escape(words.between.format(first=first, last=last))}."
    )
    yield f"<p>{facts}</p>"
    if findings.topics:
        yield f"<h2>{escape(words.topics)}</h2>"
        rows = [(each.word, each.conversations, each.times) for each in findings.topics]
        yield _table(("", words.conversations, words.times), rows)
    if findings.quotes:
        yield f"<h2>{escape(words.quotes)}</h2>"
        yield from (f'<blockquote dir="auto">{_safe(quote)}</blockquote>' for quote in findings.quotes)
    if findings.tags:
        yield f"<h2>{escape(words.tags)}</h2>"
        yield _table(
            (words.tag, words.conversations, words.minutes),
            [(each.tag, each.conversations, each.minutes) for each in findings.tags],
        )
    yield f"<h2>{escape(words.conversations)}</h2>"
    for each in findings.listed:
        yield from _listed(each, words)
    if findings.unlisted:
        yield f"<p>{escape(words.more.format(count=findings.unlisted))}</p>"


def _listed(listed: Listed, words: Words) -> Iterator[str]:
    yield f'<h3 dir="auto">{_safe(listed.title) or escape(words.untitled)}</h3>'
    facts = f"{day(listed.began_at)}, {minutes(listed.duration_s)}"
    tags = "".join(f", <bdi>{_safe(tag)}</bdi>" for tag in listed.tags)
    yield f'<p class="facts">{facts}{tags}</p>'
    if listed.summary:
        yield f'<p dir="auto">{_safe(listed.summary)}</p>'


def _table(names: tuple[str, str, str], rows: list[tuple[str, int, int]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = [
        f'<tr><td dir="auto">{_safe(name)}</td><td class="n">{first}</td><td class="n">{second}</td></tr>'
        for name, first, second in rows
    ]
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(lines) + "\n</table>"


def day(epoch_s: float) -> str:
    return f"{moment(epoch_s):%Y-%m-%d}"


def minutes(duration_s: float) -> str:
    """``M:SS``."""
    whole = round(duration_s)
    return f"{whole // 60}:{whole % 60:02}"
