"""Examples as they stand in the documents, so that what a reader copies is what a test ran."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def documented(document: str, name: str) -> str:
    """The block under ``<!-- example: name -->`` of ``docs/document``."""
    text = (DOCS / document).read_text()
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"{document} has no example {name}"
    return found[1]
