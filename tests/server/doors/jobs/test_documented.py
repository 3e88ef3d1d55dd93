from __future__ import annotations

import re
from pathlib import Path

from tests.server.routes import ROUTES

DOCUMENT = Path(__file__).parents[4] / "docs" / "jobs.md"


def test_every_request_of_jobs_is_documented_and_there_is_no_other() -> None:
    table = DOCUMENT.read_text().partition("<!-- requests -->")[2].partition("<!-- end of requests -->")[0]
    told = set(re.findall(r"^\| `(\S+) (\S+)` \|", table, re.MULTILINE))
    assert told == {place for place in ROUTES if place[1].startswith(("/api/transcribe", "/api/retranslate"))}
