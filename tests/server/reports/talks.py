"""Findings, hostile ones among them, for tests of how they are written."""

from __future__ import annotations

from server.reports.digests import Digest, digest_of
from server.reports.findings import Findings, Gathering
from server.summaries.extract import sentences_of
from tests.server.test_topics import speech

HOSTILE = (
    '<script>alert(1)</script> <img src=x onerror="alert(2)"> </style></title><!-- & &lt; '
    "' \" javascript:alert(3) https://evil.example/ \u202egnitirw\u202c \x00\x1b[31m"
)


def digest(
    *texts: str, title: str = "", summary: str = "", began_at: float = 1_767_268_800.0, tags: tuple[str, ...] = ()
) -> Digest:
    return digest_of(
        list(sentences_of(speech(*texts), {})),
        title=title,
        summary=summary,
        began_at=began_at,
        duration_s=65.0,
        words=10,
        tags=tags,
    )


def findings_of(*digests: Digest, name: str = "Talks", language: str = "en") -> Findings:
    gathering = Gathering()
    for each in digests:
        gathering.add(each)
    return gathering.findings(name=name, language=language, made_at=1_767_355_200.0)


def hostile() -> Findings:
    """Text that tries something wherever there is text."""
    return findings_of(
        digest(HOSTILE, f"Roof {HOSTILE}", title=HOSTILE, summary=HOSTILE, tags=(HOSTILE[:100],)), name=HOSTILE
    )
